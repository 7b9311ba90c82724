// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "widgets/base/plot_view.h"
#include "widgets/decode/decode_story.h"

#include <QWidget>

#include <array>

namespace lathe {

struct HistogramPlot {
    PlotAxes axes;
    std::vector<PlotSeries> series; ///< none when there is nothing to count
};

/// How often each whole number from `least` to the largest value occurs.
HistogramPlot histogramPlot(
    const std::vector<int>& values, int least, const QString& title, const QString& xLabel,
    const QString& yLabel, int style);
HistogramPlot runLengthPlot(const DecodeStory& story);
HistogramPlot rollbackPlot(const DecodeStory& story);
HistogramPlot handOverPlot(const DecodeStory& story);

/// What a whole text's decoding was like: drafts per call of the big model, tokens undone at once,
/// and why the big model's turn came.
class DecodeHistograms : public QWidget {
    Q_OBJECT
public:
    explicit DecodeHistograms(QWidget* parent = nullptr);

    void setStory(const DecodeStory* story); ///< read at once; nullptr: empty
    void setProvenance(const QString& text);
    PlotView& plot(int index) { return *m_plots.at(static_cast<std::size_t>(index)); }

private:
    std::array<PlotView*, 3> m_plots;
};

} // namespace lathe
