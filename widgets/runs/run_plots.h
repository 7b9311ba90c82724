// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "widgets/runs/run_series.h"

#include <QWidget>

#include <optional>

class QComboBox;
class QLabel;

namespace lathe {

/// The plots of one run: a result of its cells against a parameter or another result, or a metric
/// by its step.
class RunPlots : public QWidget {
    Q_OBJECT
public:
    explicit RunPlots(QWidget* parent = nullptr);

    /// `info` may be null. Choices that still exist stay.
    void setCells(qint64 runId, const std::vector<CellRow>& cells, const StudyInfo* info);
    void setCurves(std::vector<MetricRow> metrics);
    const PlotView& plot() const { return *m_plot; }

private:
    void fillChoices();
    void draw();

    qint64 m_runId = 0;
    std::vector<CellRow> m_cells;
    std::vector<MetricRow> m_metrics;
    std::optional<StudyInfo> m_info;
    QComboBox* m_yBox;
    QComboBox* m_xBox;
    QLabel* m_xLabel;
    PlotView* m_plot;
};

} // namespace lathe
