// SPDX-License-Identifier: GPL-3.0-or-later
#include "widgets/decode/decode_histograms.h"

#include <QHBoxLayout>

#include <algorithm>
#include <array>

namespace lathe {

namespace {

QString tr(const char* text) { return DecodeHistograms::tr(text); }

constexpr std::array kHandOvers{
    HandOver::LowConfidence, HandOver::Cap, HandOver::Copied, HandOver::Tail, HandOver::Start};

/// Fits under a bar.
QString shortText(HandOver cause) {
    switch (cause) {
    case HandOver::LowConfidence:
        return tr("unsure");
    case HandOver::Cap:
        return tr("cap");
    case HandOver::Copied:
        return tr("copied");
    case HandOver::Tail:
        return tr("end");
    case HandOver::Start:
        return tr("start");
    }
    return {};
}

} // namespace

HistogramPlot histogramPlot(
    const std::vector<int>& values, int least, const QString& title, const QString& xLabel,
    const QString& yLabel, int style) {
    HistogramPlot plot{.axes = {.title = title, .xLabel = xLabel, .yLabel = yLabel}, .series = {}};
    if (values.empty()) {
        return plot;
    }
    std::map<int, int> counts;
    for (const int value : values) {
        ++counts[value];
    }
    PlotSeries series{.name = title, .points = {}, .marks = false, .style = style, .bars = true};
    for (int x = std::min(least, counts.begin()->first); x <= counts.rbegin()->first; ++x) {
        const auto found = counts.find(x);
        const int count = found != counts.end() ? found->second : 0;
        series.points.push_back(
            {.x = static_cast<double>(x),
             .y = static_cast<double>(count),
             .yLow = kNotKnown,
             .yHigh = kNotKnown,
             .id = x + 1});
    }
    plot.series.push_back(std::move(series));
    return plot;
}

HistogramPlot runLengthPlot(const DecodeStory& story) {
    return histogramPlot(
        story.runLengths(), 0, tr("Drafts in a row"), tr("Drafts (token)"), tr("Big calls"), 0);
}

HistogramPlot rollbackPlot(const DecodeStory& story) {
    return histogramPlot(
        story.rollbackDistances(), 1, tr("Undone at once"), tr("Undone drafts (token)"),
        tr("Rollbacks"), 1);
}

HistogramPlot handOverPlot(const DecodeStory& story) {
    HistogramPlot plot{
        .axes =
            {.title = tr("Cause of the hand-over"),
             .xLabel = tr("Cause"),
             .yLabel = tr("Big calls")},
        .series = {}};
    PlotSeries series{
        .name = plot.axes.title, .points = {}, .marks = false, .style = 2, .bars = true};
    const std::map<HandOver, int> counts = story.handOvers();
    for (const HandOver cause : kHandOvers) {
        const auto found = counts.find(cause);
        if (cause == HandOver::Copied && found == counts.end()) {
            continue; // one strategy alone copies
        }
        const auto at = static_cast<int>(plot.axes.xNames.size());
        plot.axes.xNames += shortText(cause);
        series.points.push_back(
            {.x = static_cast<double>(at),
             .y = found != counts.end() ? static_cast<double>(found->second) : 0.0,
             .yLow = kNotKnown,
             .yHigh = kNotKnown,
             .id = at + 1});
    }
    if (!counts.empty()) {
        plot.series.push_back(std::move(series));
    }
    return plot;
}

DecodeHistograms::DecodeHistograms(QWidget* parent) : QWidget(parent) {
    auto* row = new QHBoxLayout(this);
    row->setContentsMargins(0, 0, 0, 0);
    for (PlotView*& plot : m_plots) {
        plot = new PlotView;
        row->addWidget(plot, 1);
    }
    m_plots[1]->setEmptyText(tr("No rollback"));
    QStringList causes;
    for (const HandOver cause : kHandOvers) {
        causes += QStringLiteral("%1: %2").arg(shortText(cause), handOverText(cause));
    }
    m_plots[2]->setToolTip(causes.join(QLatin1Char('\n')));
    setStory(nullptr);
}

void DecodeHistograms::setStory(const DecodeStory* story) {
    static const DecodeStory kNone;
    const DecodeStory& shown = story != nullptr ? *story : kNone;
    std::array plots{runLengthPlot(shown), rollbackPlot(shown), handOverPlot(shown)};
    for (std::size_t i = 0; i < plots.size(); ++i) {
        m_plots[i]->setAxes(plots[i].axes);
        m_plots[i]->setSeries(std::move(plots[i].series));
        m_plots[i]->fit();
    }
}

void DecodeHistograms::setProvenance(const QString& text) {
    for (PlotView* plot : m_plots) {
        plot->setProvenance(text);
    }
}

} // namespace lathe
