// SPDX-License-Identifier: GPL-3.0-or-later
#include "widgets/runs/run_plots.h"

#include "widgets/base/export_button.h"
#include "widgets/base/theme.h"

#include <QComboBox>
#include <QHBoxLayout>
#include <QLabel>
#include <QSignalBlocker>
#include <QToolButton>
#include <QVBoxLayout>

namespace lathe {

namespace {

const QString kCurve = QStringLiteral("curve:");
const QString kMetric = QStringLiteral("metric.");

/// Fills a box and keeps what was chosen if it is still there.
void refill(QComboBox* box, const std::vector<std::pair<QString, QString>>& entries) {
    const QSignalBlocker quiet(box);
    const QString before = box->currentData().toString();
    box->clear();
    for (const auto& [text, data] : entries) {
        box->addItem(text, data);
    }
    box->setCurrentIndex(std::max(0, box->findData(before)));
}

} // namespace

RunPlots::RunPlots(QWidget* parent)
    : QWidget(parent), m_yBox(new QComboBox), m_xBox(new QComboBox),
      m_xLabel(new QLabel(tr("against"))), m_plot(new PlotView) {
    m_yBox->setAccessibleName(tr("Vertical axis"));
    m_xBox->setAccessibleName(tr("Horizontal axis"));
    m_yBox->setSizeAdjustPolicy(QComboBox::AdjustToContents);
    m_xBox->setSizeAdjustPolicy(QComboBox::AdjustToContents);
    m_xLabel->setBuddy(m_xBox);
    auto* label = new QLabel(tr("Show"));
    label->setBuddy(m_yBox);
    auto* button =
        makeExportButton(tr("Export plot"), tr("Write the plot as PNG, SVG, PDF, CSV or JSON"));
    auto* row = new QHBoxLayout;
    row->addWidget(label);
    row->addWidget(m_yBox);
    row->addWidget(m_xLabel);
    row->addWidget(m_xBox);
    row->addStretch(1);
    row->addWidget(button);
    auto* column = new QVBoxLayout(this);
    column->addLayout(row);
    column->addWidget(m_plot, 1);
    m_plot->setEmptyText(tr("This run has no numbers to draw."));
    connect(m_yBox, &QComboBox::currentIndexChanged, this, &RunPlots::draw);
    connect(m_xBox, &QComboBox::currentIndexChanged, this, &RunPlots::draw);
    connect(button, &QToolButton::clicked, m_plot, &PlotView::exportInteractively);
}

void RunPlots::setCells(qint64 runId, const std::vector<CellRow>& cells, const StudyInfo* info) {
    if (runId != m_runId) {
        m_metrics.clear();
    }
    m_runId = runId;
    m_cells = cells;
    m_info = info != nullptr ? std::optional(*info) : std::nullopt;
    fillChoices();
}

void RunPlots::setCurves(std::vector<MetricRow> metrics) {
    m_metrics = std::move(metrics);
    fillChoices();
}

void RunPlots::fillChoices() {
    const StudyInfo* info = m_info ? &*m_info : nullptr;
    std::vector<std::pair<QString, QString>> ys;
    if (m_cells.size() > 1) {
        for (const std::string& name : numericMetrics(m_cells, info)) {
            ys.emplace_back(metricTitle(info, name), QString::fromStdString(name));
        }
    }
    for (const std::string& name : curveNames(m_metrics)) {
        const QString text = QString::fromStdString(name);
        ys.emplace_back(tr("%1 by step").arg(text), kCurve + text);
    }
    std::vector<std::pair<QString, QString>> xs;
    for (const std::string& name : horizontalChoices(m_cells, info)) {
        const QString key = QString::fromStdString(name);
        xs.emplace_back(
            key.startsWith(kMetric) ? metricTitle(info, key.mid(kMetric.size()).toStdString())
                                    : key,
            key);
    }
    refill(m_yBox, ys);
    refill(m_xBox, xs);
    m_yBox->setEnabled(!ys.empty());
    draw();
}

void RunPlots::draw() {
    const StudyInfo* info = m_info ? &*m_info : nullptr;
    const QString y = m_yBox->currentData().toString();
    const QString x = m_xBox->currentData().toString();
    const bool curve = y.startsWith(kCurve);
    m_xBox->setVisible(!curve && m_xBox->count() > 0);
    m_xLabel->setVisible(m_xBox->isVisibleTo(this));
    if (y.isEmpty() || (!curve && x.isEmpty())) {
        m_plot->setSeries({});
        return;
    }
    PlotAxes axes{.title = {}, .xLabel = tr("Step"), .yLabel = m_yBox->currentText()};
    std::vector<PlotSeries> series;
    if (curve) {
        const std::string name = y.mid(kCurve.size()).toStdString();
        axes.yLabel = metricTitle(info, name);
        series = curveSeries(m_metrics, name, m_cells);
    } else {
        axes.xLabel = m_xBox->currentText();
        series = resultSeries(m_cells, x.toStdString(), y.toStdString());
    }
    axes.title = tr("%1 against %2").arg(axes.yLabel, axes.xLabel);
    const PlotAxes& before = m_plot->axes();
    if (before.title != axes.title) {
        m_plot->setAxes(axes);
        m_plot->fit();
    }
    m_plot->setProvenance(tr("run %1").arg(m_runId));
    m_plot->setSeries(std::move(series));
}

} // namespace lathe
