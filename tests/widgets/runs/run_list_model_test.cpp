// SPDX-License-Identifier: GPL-3.0-or-later
#include "widgets/runs/run_list_model.h"

#include "tests/widgets/quant/fake_context.h"
#include "widgets/runs/store_worker.h"

#include <QAbstractItemModelTester>
#include <QSignalSpy>

using namespace lathe;
using namespace lathe::test;

class RunListModelTest : public QObject {
    Q_OBJECT

private slots:
    void init() { QLocale::setDefault(QLocale::c()); }

    void showsModelAndBestResult() {
        FakeContext context;
        const qint64 id = context.addSweep();
        StoreWorker worker(context.storePath().toStdString());
        RunListModel model(context, worker);
        QAbstractItemModelTester tester(
            &model, QAbstractItemModelTester::FailureReportingMode::QtTest);
        QTRY_COMPARE(model.rowCount(), 1);
        QCOMPARE(
            model.index(0, RunListModel::ModelColumn).data().toString(),
            QStringLiteral("lm-little"));
        const std::vector<CellRow> cells = context.reader().cells(id);
        const QString wanted = keyMetricText(cells, *keyMetricOf(context.recorded.study));
        QVERIFY(wanted.contains(QStringLiteral("kmeans")));
        QTRY_COMPARE(model.index(0, RunListModel::KeyMetricColumn).data().toString(), wanted);
        QCOMPARE(
            model.headerData(RunListModel::ModelColumn, Qt::Horizontal, Qt::DisplayRole).toString(),
            QStringLiteral("Model"));
    }

    void bestResultFollowsTheRun() {
        FakeContext context;
        const qint64 id = context.addSweep(6); // float and rtn at 2 bits
        StoreWorker worker(context.storePath().toStdString());
        RunListModel model(context, worker);
        const auto best = [&model] {
            return model.index(0, RunListModel::KeyMetricColumn).data().toString();
        };
        QTRY_VERIFY(best().contains(QStringLiteral("rtn")));
        const std::vector<Event> events = context.recorded.eventsOf(id);
        for (std::size_t i = 6; i < events.size(); ++i) {
            context.writer().post(events[i]);
        }
        context.writer().flush();
        model.refresh();
        QTRY_VERIFY(best().contains(QStringLiteral("kmeans")));
    }

    void withoutAnEngineThereIsNoBestResult() {
        FakeContext context(false);
        context.addSweep();
        StoreWorker worker(context.storePath().toStdString());
        RunListModel model(context, worker);
        QTRY_COMPARE(model.rowCount(), 1);
        QVERIFY(model.index(0, RunListModel::KeyMetricColumn).data().toString().isEmpty());
        context.start();
        QTRY_VERIFY(!model.index(0, RunListModel::KeyMetricColumn).data().toString().isEmpty());
    }

    void namesModels() {
        RunRow row;
        QVERIFY(modelOfRun(row).isEmpty());
        row.spec.params["model"] = "/home/someone/models/big";
        QCOMPARE(modelOfRun(row), QStringLiteral("big"));
        row.spec.sweep["model"] = {"a", "b"};
        QCOMPARE(modelOfRun(row), QStringLiteral("a, b"));
        row.spec.sweep["model"] = {1, nullptr};
        QVERIFY(modelOfRun(row).isEmpty());
    }
};

LATHE_TEST(RunListModelTest);
#include "run_list_model_test.moc"
