// SPDX-License-Identifier: GPL-3.0-or-later
#include "widgets/quant/cell_table_model.h"

#include "tests/widgets/quant/fake_context.h"
#include "widgets/base/table_csv.h"

#include <QAbstractItemModelTester>
#include <QSignalSpy>

using namespace lathe;
using namespace lathe::test;

class CellTableModelTest : public QObject {
    Q_OBJECT

private:
    static SweepRun stored(FakeContext& context) {
        const qint64 id = context.addSweep();
        SweepRun run;
        run.load(*context.reader().run(id), context.reader().cells(id));
        return run;
    }
    static QString text(const CellTableModel& model, int row, int column) {
        return model.index(row, column).data().toString();
    }

private slots:
    void init() { QLocale::setDefault(QLocale::c()); }

    void showsEveryCell() {
        FakeContext context;
        CellTableModel model;
        QAbstractItemModelTester tester(
            &model, QAbstractItemModelTester::FailureReportingMode::QtTest);
        const SweepRun run = stored(context);
        model.setRun(run);
        QCOMPARE(model.rowCount(), 5);
        QCOMPARE(text(model, 0, CellTableModel::MethodColumn), QStringLiteral("float"));
        QCOMPARE(text(model, 1, CellTableModel::MethodColumn), QStringLiteral("rtn"));
        QCOMPARE(text(model, 1, CellTableModel::BitsColumn), QStringLiteral("2"));
        QCOMPARE(text(model, 1, CellTableModel::GroupColumn), QStringLiteral("row"));
        QCOMPARE(
            model.index(2, CellTableModel::PerplexityColumn).data(Qt::EditRole).toDouble(),
            run.cell(2)->value("perplexity"));
        QVERIFY(
            model.index(1, CellTableModel::PerplexityColumn).data(Qt::TextAlignmentRole).toInt() &
            Qt::AlignRight);
    }

    void bestOfTheQuantizedHasAStar() {
        FakeContext context;
        CellTableModel model;
        model.setRun(stored(context));
        QStringList starred;
        for (int row = 0; row < model.rowCount(); ++row) {
            if (text(model, row, CellTableModel::PerplexityColumn).startsWith(QChar(0x2605))) {
                starred << text(model, row, CellTableModel::MethodColumn) +
                               text(model, row, CellTableModel::BitsColumn);
            }
        }
        QCOMPARE(starred, QStringList{QStringLiteral("kmeans4")});
        QVERIFY(text(model, 1, CellTableModel::SizeColumn).startsWith(QChar(0x2605)));
    }

    /// Row by row it becomes what the finished run shows at once.
    void fillsCellByCell() {
        FakeContext context;
        CellTableModel whole;
        const SweepRun run = stored(context);
        whole.setRun(run);
        CellTableModel model;
        QAbstractItemModelTester tester(
            &model, QAbstractItemModelTester::FailureReportingMode::QtTest);
        for (const int index : {3, 0, 4, 1, 2, 3}) {
            model.updateCell(*run.cell(index));
        }
        QCOMPARE(model.rowCount(), whole.rowCount());
        QCOMPARE(tableCsv(model), tableCsv(whole));
        for (int row = 0; row < model.rowCount(); ++row) {
            for (int column = 0; column < model.columnCount(); ++column) {
                QCOMPARE(text(model, row, column), text(whole, row, column));
            }
        }
    }

    /// What only some sweeps have takes no room in others, and lists are never a cell.
    void columnsAreUsedWhereTheySaySomething() {
        FakeContext context;
        CellTableModel model;
        model.setRun(stored(context));
        for (const int column :
             {CellTableModel::SparsityColumn, CellTableModel::MatrixColumn,
              CellTableModel::OverKmeansColumn, CellTableModel::PredictedColumn}) {
            QVERIFY(!model.isUsed(column));
        }
        QVERIFY(model.isUsed(CellTableModel::KlColumn));
        model.updateCell(
            {.index = 9,
             .state = CellState::Done,
             .method = "squeezellm-sparse",
             .bits = 3,
             .sparsity = 0.45,
             .matrix = "model.layers.1.mlp.up_proj",
             .metrics =
                 {{"kl_over_kmeans", 0.88},
                  {"predicted_kl", 0.25},
                  {"kl_windows", Json::array({1.5, 2.5})},
                  {"sample_ids", Json::array({4, 5})}},
             .message = {}});
        for (int column = 0; column < CellTableModel::ColumnCount; ++column) {
            QVERIFY(model.isUsed(column));
            QVERIFY(!model.index(5, column).data().toString().contains(QStringLiteral("2.5")));
            QVERIFY(
                !model.headerData(column, Qt::Horizontal, Qt::DisplayRole).toString().isEmpty());
        }
        QCOMPARE(text(model, 5, CellTableModel::SparsityColumn), QStringLiteral("0.45"));
        QCOMPARE(
            text(model, 5, CellTableModel::MatrixColumn), QStringLiteral("layers.1.mlp.up_proj"));
        QCOMPARE(text(model, 5, CellTableModel::OverKmeansColumn), QStringLiteral("0.88"));
        QCOMPARE(text(model, 5, CellTableModel::PredictedColumn), QStringLiteral("0.2500"));
        QVERIFY(text(model, 1, CellTableModel::PredictedColumn).isEmpty());
    }

    void failedAndEmptyCells() {
        CellTableModel model;
        QAbstractItemModelTester tester(
            &model, QAbstractItemModelTester::FailureReportingMode::QtTest);
        SweepCell failed{
            .index = 0,
            .state = CellState::Failed,
            .method = "rtn",
            .bits = 3,
            .message = QStringLiteral("out of memory")};
        model.updateCell(failed);
        QCOMPARE(
            text(model, 0, CellTableModel::StateColumn), QStringLiteral("failed: out of memory"));
        QVERIFY(text(model, 0, CellTableModel::PerplexityColumn).isEmpty());
        SweepCell odd{
            .index = 1,
            .state = CellState::Done,
            .method = "rtn",
            .bits = 4,
            .metrics = {{"perplexity", nullptr}, {"bytes", 1048576}},
            .message = {}};
        model.updateCell(odd);
        QCOMPARE(text(model, 1, CellTableModel::PerplexityColumn), QStringLiteral("–"));
        QCOMPARE(text(model, 1, CellTableModel::SizeColumn), QStringLiteral("1.00")); // best of one
        QVERIFY(tableCsv(model).contains("out of memory"));
    }
};

LATHE_TEST(CellTableModelTest);
#include "cell_table_model_test.moc"
