// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "widgets/runs/run_compare.h"

#include <QWidget>

class QCheckBox;
class QLabel;
class QSplitter;
class QTableView;

namespace lathe {

class MetricDiffModel;
class PropertyDiffModel;

/// Two runs beside each other: parameters and environment that differ, and the results of the cells
/// that both have.
class CompareView : public QWidget {
    Q_OBJECT
public:
    explicit CompareView(QWidget* parent = nullptr);

    /// The older run belongs on the left. `info` of their study, or null.
    void show(const ComparedRun& left, const ComparedRun& right, const StudyInfo* info);
    using QWidget::show;

    const PropertyDiffModel& properties() const { return *m_properties; }
    const MetricDiffModel& metrics() const { return *m_metrics; }
    QString summary() const;

private:
    QTableView* makeTable(QAbstractItemModel* model, const QString& name);

    PropertyDiffModel* m_properties;
    MetricDiffModel* m_metrics;
    QLabel* m_head;
    QLabel* m_summary;
    QCheckBox* m_equal;
    QTableView* m_propertyTable;
    QTableView* m_metricTable;
    QSplitter* m_split;
};

} // namespace lathe
