// SPDX-License-Identifier: GPL-3.0-or-later
#include "widgets/runs/result_table_model.h"

#include "tests/widgets/quant/fake_context.h"
#include "widgets/base/table_csv.h"

#include <QAbstractItemModelTester>

using namespace lathe;
using namespace lathe::test;

class ResultTableModelTest : public QObject {
    Q_OBJECT

private:
    static int columnOf(const ResultTableModel& model, const QString& title) {
        for (int column = 0; column < model.columnCount(); ++column) {
            if (model.headerData(column, Qt::Horizontal, Qt::DisplayRole).toString() == title) {
                return column;
            }
        }
        return -1;
    }

private slots:
    void init() { QLocale::setDefault(QLocale::c()); }

    void showsCellsOfAnyStudy() {
        FakeContext context;
        const qint64 id = context.addSweep();
        ResultTableModel model;
        QAbstractItemModelTester tester(
            &model, QAbstractItemModelTester::FailureReportingMode::QtTest);
        const std::vector<CellRow> cells = context.reader().cells(id);
        model.setCells(cells, &context.recorded.study);
        QCOMPARE(model.rowCount(), 5);
        QVERIFY(columnOf(model, QStringLiteral("bits")) >= 0);
        QVERIFY(columnOf(model, QStringLiteral("method")) >= 0);
        QCOMPARE(columnOf(model, QStringLiteral("model")), -1); // equal everywhere
        const int perplexity = columnOf(model, QStringLiteral("Perplexity"));
        QVERIFY(perplexity > 0);
        QCOMPARE(columnOf(model, QStringLiteral("Perplexity, lower bound")), -1);
        for (int row = 0; row < model.rowCount(); ++row) {
            QCOMPARE(
                model.index(row, perplexity).data(Qt::EditRole).toDouble(),
                cells[std::size_t(row)].metrics.at("perplexity").get<double>());
        }
    }

    void fillsCellByCell() {
        FakeContext context;
        const qint64 id = context.addSweep();
        const std::vector<CellRow> cells = context.reader().cells(id);
        ResultTableModel model;
        ResultTableModel whole;
        QAbstractItemModelTester tester(
            &model, QAbstractItemModelTester::FailureReportingMode::QtTest);
        whole.setCells(cells, &context.recorded.study);
        model.setCells({}, &context.recorded.study);
        for (const std::size_t index : {2U, 0U, 4U, 1U, 3U, 0U}) {
            model.updateCell(cells[index]);
        }
        QCOMPARE(tableCsv(model), tableCsv(whole));
    }

    void oddCells() {
        ResultTableModel model;
        QAbstractItemModelTester tester(
            &model, QAbstractItemModelTester::FailureReportingMode::QtTest);
        model.setCells(
            {{.index = 0,
              .key = {},
              .message = {},
              .state = CellState::Done,
              .params = {{"a", 1}},
              .metrics = {{"x", nullptr}}},
             {.index = 1,
              .key = {},
              .message = "no memory",
              .state = CellState::Failed,
              .params = {{"a", 2}},
              .metrics = Json()}},
            nullptr);
        const int x = columnOf(model, QStringLiteral("x"));
        QCOMPARE(model.index(0, x).data().toString(), QStringLiteral("–"));
        QCOMPARE(model.index(1, x).data().toString(), QString());
        QCOMPARE(model.index(1, 1).data().toString(), QStringLiteral("failed: no memory"));
    }
};

LATHE_TEST(ResultTableModelTest);
#include "result_table_model_test.moc"
