// SPDX-License-Identifier: GPL-3.0-or-later
#include "widgets/runs/run_compare.h"

#include "tests/widgets/quant/fake_context.h"
#include "widgets/runs/compare_models.h"

#include <QAbstractItemModelTester>

#include <cmath>

using namespace lathe;
using namespace lathe::test;

namespace {

CellRow cell(int index, int bits, const char* model, const Json& loss) {
    return {
        .index = index,
        .key = {},
        .message = {},
        .state = CellState::Done,
        .params = {{"bits", bits}, {"model", model}},
        .metrics = {{"loss", loss}, {"note", model}}};
}

ComparedRun run(qint64 id, const char* model, std::vector<CellRow> cells) {
    ComparedRun run;
    run.row.id = id;
    run.row.study = "s";
    run.row.spec = {
        .study = "s", .seed = 1, .params = {{"model", model}}, .sweep = {{"bits", {2, 3}}}};
    run.row.environment = {{"cpu", {{"name", "X"}}}, {"build", model}};
    run.cells = std::move(cells);
    return run;
}

const StudyInfo kInfo{
    .id = "s",
    .title = "S",
    .summary = {},
    .params = {{.name = "model"}, {.name = "bits"}, {.name = "extra", .defaultValue = 5}},
    .metrics = {{"loss", "Loss", "nat", -1}}};

const MetricDifference* find(const RunComparison& all, const QString& cellPart) {
    for (const MetricDifference& row : all.metrics) {
        if (row.metric == "loss" && row.cell.contains(cellPart)) {
            return &row;
        }
    }
    return nullptr;
}

} // namespace

class RunCompareTest : public QObject {
    Q_OBJECT

private slots:
    void init() { QLocale::setDefault(QLocale::c()); }

    void matchesCellsByWhatVaries() {
        const RunComparison all = compareRuns(
            run(1, "a", {cell(0, 2, "a", 4.0), cell(1, 3, "a", 2.0)}),
            run(2, "b", {cell(0, 3, "b", 1.0), cell(1, 2, "b", 5.0), cell(2, 8, "b", 1.0)}),
            &kInfo);
        const MetricDifference* two = find(all, QStringLiteral("bits 2"));
        QVERIFY(two != nullptr);
        QCOMPARE(two->delta, 1.0);
        QCOMPARE(two->percent, 25.0);
        QCOMPARE(int(two->verdict), int(MetricDifference::Verdict::Worse));
        const MetricDifference* three = find(all, QStringLiteral("bits 3"));
        QCOMPARE(three->percent, -50.0);
        QCOMPARE(int(three->verdict), int(MetricDifference::Verdict::Better));
        QCOMPARE(all.leftAlone, 0);
        QCOMPARE(all.rightAlone, 1);
    }

    void marksWhatDiffers() {
        ComparedRun left = run(1, "a", {});
        left.row.spec.params["extra"] = 5; // the default, said aloud
        const RunComparison all = compareRuns(left, run(2, "b", {}), &kInfo);
        QStringList differing;
        for (const PropertyDifference& one : all.properties) {
            if (one.differs) {
                differing << one.name;
            }
        }
        QCOMPARE(differing, (QStringList{QStringLiteral("model"), QStringLiteral("build")}));
    }

    void missingNumbersHaveNoDifference() {
        const RunComparison all = compareRuns(
            run(1, "a", {cell(0, 2, "a", nullptr), cell(1, 3, "a", 0.0)}),
            run(2, "a", {cell(0, 2, "a", 1.0), cell(1, 3, "a", 1.0)}), &kInfo);
        QVERIFY(std::isnan(find(all, QStringLiteral("bits 2"))->delta));
        QCOMPARE(find(all, QStringLiteral("bits 3"))->delta, 1.0);
        QVERIFY(std::isnan(find(all, QStringLiteral("bits 3"))->percent)); // of zero
    }

    void differentStudiesShareNoResults() {
        ComparedRun other = run(2, "b", {cell(0, 2, "b", 5.0)});
        other.row.study = other.row.spec.study = "t";
        const RunComparison all = compareRuns(run(1, "a", {cell(0, 2, "a", 4.0)}), other, &kInfo);
        QVERIFY(all.metrics.empty());
        QVERIFY(!all.properties.empty());
    }

    void unfinishedCellsDoNotCount() {
        std::vector<CellRow> cells{cell(0, 2, "a", 4.0)};
        cells[0].state = CellState::Failed;
        const RunComparison all = compareRuns(run(1, "a", cells), run(2, "a", {}), &kInfo);
        QVERIFY(all.metrics.empty());
        QCOMPARE(all.leftAlone, 0);
    }

    void modelsShowDifferencesOnly() {
        const RunComparison all = compareRuns(
            run(1, "a", {cell(0, 2, "a", 4.0), cell(1, 3, "a", 2.0)}),
            run(2, "b", {cell(0, 2, "b", 4.0), cell(1, 3, "b", 1.0)}), &kInfo);
        PropertyDiffModel properties;
        MetricDiffModel metrics;
        QAbstractItemModelTester first(
            &properties, QAbstractItemModelTester::FailureReportingMode::QtTest);
        QAbstractItemModelTester second(
            &metrics, QAbstractItemModelTester::FailureReportingMode::QtTest);
        properties.setComparison(all.properties, QStringLiteral("Run 1"), QStringLiteral("Run 2"));
        metrics.setComparison(all.metrics, QStringLiteral("Run 1"), QStringLiteral("Run 2"));
        QCOMPARE(properties.rowCount(), 2);
        QCOMPARE(properties.differing(), 2);
        QCOMPARE(metrics.rowCount(), 3); // loss of 3 bits, and both notes
        QCOMPARE(
            metrics.index(0, MetricDiffModel::MetricColumn).data().toString(),
            QStringLiteral("note"));
        bool found = false;
        for (int row = 0; row < metrics.rowCount(); ++row) {
            if (metrics.index(row, MetricDiffModel::MetricColumn).data().toString() ==
                QStringLiteral("Loss (nat)")) {
                found = true;
                QCOMPARE(
                    metrics.index(row, MetricDiffModel::PercentColumn).data().toString(),
                    QString(QChar(0x2212)) + QStringLiteral("50.00"));
                QVERIFY(metrics.index(row, MetricDiffModel::VerdictColumn)
                            .data()
                            .toString()
                            .contains(QStringLiteral("better")));
            }
        }
        QVERIFY(found);
        properties.setShowEqual(true);
        metrics.setShowEqual(true);
        QCOMPARE(properties.rowCount(), int(all.properties.size()));
        QCOMPARE(metrics.rowCount(), int(all.metrics.size()));
        QCOMPARE(
            properties.headerData(PropertyDiffModel::RightColumn, Qt::Horizontal, Qt::DisplayRole)
                .toString(),
            QStringLiteral("Run 2"));
    }
};

LATHE_TEST(RunCompareTest);
#include "run_compare_test.moc"
