// SPDX-License-Identifier: GPL-3.0-or-later
#include "widgets/runs/compare_view.h"

#include "widgets/base/export_button.h"
#include "widgets/base/row_table.h"
#include "widgets/base/run_table_model.h"
#include "widgets/base/table_csv.h"
#include "widgets/base/theme.h"
#include "widgets/runs/compare_models.h"

#include <QCheckBox>
#include <QHBoxLayout>
#include <QLabel>
#include <QSplitter>
#include <QTableView>
#include <QToolButton>
#include <QVBoxLayout>

namespace lathe {

namespace {

constexpr int kMaxColumnWidth = 320;

QString runName(const RunRow& row) { return CompareView::tr("Run %1").arg(row.id); }

QString runLine(const RunRow& row) {
    QStringList parts{runName(row)};
    if (!row.title.empty()) {
        parts << QString::fromStdString(row.title);
    }
    parts << runStateText(row.state);
    return parts.join(QStringLiteral(" · "));
}

void fitColumns(QTableView* table) {
    table->resizeColumnsToContents();
    for (int section = 0; section < table->horizontalHeader()->count(); ++section) {
        table->setColumnWidth(section, std::min(kMaxColumnWidth, table->columnWidth(section) + 8));
    }
}

} // namespace

CompareView::CompareView(QWidget* parent)
    : QWidget(parent), m_properties(new PropertyDiffModel(this)),
      m_metrics(new MetricDiffModel(this)), m_head(new QLabel), m_summary(new QLabel),
      m_equal(new QCheckBox(tr("Show &equal rows too"))),
      m_propertyTable(makeTable(m_properties, tr("Parameters and environment of both runs"))),
      m_metricTable(makeTable(m_metrics, tr("Results of both runs"))),
      m_split(new QSplitter(Qt::Horizontal)) {
    QFont bold = m_head->font();
    bold.setBold(true);
    m_head->setFont(bold);
    for (QLabel* label : {m_head, m_summary}) {
        label->setTextFormat(Qt::PlainText);
        label->setSizePolicy(QSizePolicy::Ignored, QSizePolicy::Preferred);
    }
    auto* button =
        makeExportButton(tr("Export results"), {}, tr("Export the compared results as CSV"));
    auto* row = new QHBoxLayout;
    row->addWidget(m_head, 1);
    row->addWidget(m_equal);
    row->addWidget(button);
    m_split->addWidget(m_propertyTable);
    m_split->addWidget(m_metricTable);
    m_split->setChildrenCollapsible(false);
    m_split->setStretchFactor(0, 2);
    m_split->setStretchFactor(1, 3);
    auto* column = new QVBoxLayout(this);
    column->setContentsMargins(8, 4, 8, 8);
    column->addLayout(row);
    column->addWidget(m_summary);
    column->addWidget(m_split, 1);
    connect(m_equal, &QCheckBox::toggled, this, [this](bool on) {
        m_properties->setShowEqual(on);
        m_metrics->setShowEqual(on);
    });
    connect(button, &QToolButton::clicked, this, [this] {
        exportTableInteractively(this, *m_metrics, tr("comparison"));
    });
}

QTableView* CompareView::makeTable(QAbstractItemModel* model, const QString& name) {
    auto* table = new QTableView;
    table->setModel(model);
    styleRowTable(*table);
    table->setAccessibleName(name);
    return table;
}

void CompareView::show(const ComparedRun& left, const ComparedRun& right, const StudyInfo* info) {
    const RunComparison comparison = compareRuns(left, right, info);
    m_head->setText(tr("%1    against    %2").arg(runLine(left.row), runLine(right.row)));
    m_properties->setComparison(comparison.properties, runName(left.row), runName(right.row));
    m_metrics->setComparison(comparison.metrics, runName(left.row), runName(right.row));
    QStringList parts;
    const int differing = m_properties->differing();
    parts
        << (differing == 0 ? tr("Parameters and environment are equal.")
            : differing == 1
                ? tr("One parameter or fact of the environment differs.")
                : tr("%1 parameters or facts of the environment differ.").arg(differing));
    if (left.row.study != right.row.study) {
        parts << tr("The runs are of different studies: their results do not compare.");
    } else if (comparison.metrics.empty()) {
        parts << tr("No finished cell is common to both.");
    }
    if (comparison.leftAlone + comparison.rightAlone > 0) {
        parts << tr("Without a partner: %1 cells of %2, %3 of %4.")
                     .arg(comparison.leftAlone)
                     .arg(runName(left.row))
                     .arg(comparison.rightAlone)
                     .arg(runName(right.row));
    }
    m_summary->setText(parts.join(QLatin1Char(' ')));
    m_summary->setToolTip(m_summary->text());
    fitColumns(m_propertyTable);
    fitColumns(m_metricTable);
}

QString CompareView::summary() const { return m_summary->text(); }

} // namespace lathe
