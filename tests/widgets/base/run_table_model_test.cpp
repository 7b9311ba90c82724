// SPDX-License-Identifier: GPL-3.0-or-later
#include "widgets/base/run_table_model.h"

#include "experiments/store/run_writer.h"
#include "tests/support/lathe_test.h"

#include <QAbstractItemModelTester>
#include <QSignalSpy>

#include <memory>
#include <set>

namespace lathe {

class RunTableModelTest : public QObject {
    Q_OBJECT
private slots:
    void init();
    void readsPageByPage();
    void newRunsComeOnTop();
    void changedRunsKeepTheirPlace();
    void queriesReplaceTheRows();
    void aWrongQueryIsNamed();
    void stateIsTextIconAndColour();
    void durationsReadWell();

private:
    std::int64_t add(const std::string& study, const std::string& title) {
        Spec spec{.study = study};
        spec.params = {{"model", "lm-little"}};
        return m_writer->insertRun(spec, title);
    }
    std::filesystem::path path() const { return m_folder->path() / "runs.db"; }
    std::unique_ptr<test::TemporaryFolder> m_folder;
    std::unique_ptr<RunWriter> m_writer;
};

void RunTableModelTest::init() {
    m_writer.reset();
    m_folder = std::make_unique<test::TemporaryFolder>();
    m_writer = std::make_unique<RunWriter>(path(), std::vector<EventSink*>{});
}

void RunTableModelTest::readsPageByPage() {
    constexpr int kRuns = RunTableModel::kPage + 44;
    for (int i = 0; i < kRuns; ++i) {
        add("quant.sweep", "run " + std::to_string(i));
    }
    RunTableModel model(path());
    QTRY_COMPARE(model.rowCount(), RunTableModel::kPage);
    QCOMPARE(model.total(), kRuns);
    QCOMPARE(model.index(0, RunTableModel::IdColumn).data(RunTableModel::RunIdRole).toInt(), kRuns);
    QVERIFY(model.canFetchMore({}));
    model.fetchMore({});
    QTRY_COMPARE(model.rowCount(), kRuns);
    QTRY_VERIFY(!model.isLoading());
    QVERIFY(!model.canFetchMore({}));
    QCOMPARE(model.rowOf(1), kRuns - 1);
    QCOMPARE(model.rowOf(9999), -1);
}

void RunTableModelTest::newRunsComeOnTop() {
    add("quant.sweep", "first");
    RunTableModel model(path());
    const QAbstractItemModelTester tester(
        &model, QAbstractItemModelTester::FailureReportingMode::QtTest);
    QTRY_COMPARE(model.rowCount(), 1);
    const QPersistentModelIndex first = model.index(0, 0);
    add("quant.sweep", "second");
    add("quant.sweep", "third");
    model.refresh();
    QTRY_COMPARE(model.rowCount(), 3);
    QCOMPARE(first.row(), 2); // selections stay with their run
    QCOMPARE(model.index(0, RunTableModel::TitleColumn).data().toString(), QStringLiteral("third"));
}

void RunTableModelTest::changedRunsKeepTheirPlace() {
    const std::int64_t id = add("quant.sweep", "one");
    add("quant.sweep", "two");
    RunTableModel model(path());
    const QAbstractItemModelTester tester(
        &model, QAbstractItemModelTester::FailureReportingMode::QtTest);
    QTRY_COMPARE(model.rowCount(), 2);
    m_writer->setTags(id, "paper");
    m_writer->post({id, -1, 1, {}, RunChanged{RunState::Failed, "no such model"}});
    m_writer->flush();
    QSignalSpy changed(&model, &QAbstractItemModel::dataChanged);
    QSignalSpy reset(&model, &QAbstractItemModel::modelReset);
    model.refresh();
    QTRY_VERIFY(changed.count() > 0);
    QCOMPARE(reset.count(), 0);
    QCOMPARE(model.index(1, RunTableModel::TagsColumn).data().toString(), QStringLiteral("paper"));
    QCOMPARE(
        model.index(1, RunTableModel::StateColumn).data(Qt::ToolTipRole).toString(),
        QStringLiteral("no such model"));
}

void RunTableModelTest::queriesReplaceTheRows() {
    add("quant.sweep", "a");
    add("lm.generate", "b");
    RunTableModel model(path());
    const QAbstractItemModelTester tester(
        &model, QAbstractItemModelTester::FailureReportingMode::QtTest);
    QTRY_COMPARE(model.rowCount(), 2);
    model.setQuery(QStringLiteral("study:lm"));
    QTRY_COMPARE(model.rowCount(), 1);
    QCOMPARE(model.index(0, RunTableModel::TitleColumn).data().toString(), QStringLiteral("b"));
    QCOMPARE(model.total(), 1);
    model.setQuery({});
    QTRY_COMPARE(model.rowCount(), 2);
}

void RunTableModelTest::aWrongQueryIsNamed() {
    add("quant.sweep", "a");
    RunTableModel model(path());
    QTRY_COMPARE(model.rowCount(), 1);
    QSignalSpy loaded(&model, &RunTableModel::loaded);
    model.setQuery(QStringLiteral("state:nonsense"));
    QTRY_COMPARE(loaded.count(), 1);
    QVERIFY(loaded.front().front().toString().contains(QStringLiteral("nonsense")));
    QCOMPARE(model.rowCount(), 1); // what was there stays
}

void RunTableModelTest::stateIsTextIconAndColour() {
    std::set<QString> texts;
    std::set<QString> icons;
    for (const RunState state :
         {RunState::Queued, RunState::Running, RunState::Done, RunState::Failed,
          RunState::Cancelled, RunState::Crashed, RunState::Interrupted}) {
        texts.insert(runStateText(state));
        QVERIFY(!runStateIcon(state).isEmpty());
        QVERIFY(runStateColour(state).isValid());
    }
    QCOMPARE(texts.size(), std::size_t{7});
}

void RunTableModelTest::durationsReadWell() {
    QLocale::setDefault(QLocale::c());
    QVERIFY(durationText(-1).isEmpty());
    QVERIFY(durationText(0.34).contains(QStringLiteral("340")));
    QVERIFY(durationText(72).contains(QStringLiteral("1 min")));
    QVERIFY(durationText(72).contains(QStringLiteral("12 s")));
}

LATHE_TEST(RunTableModelTest);

} // namespace lathe

#include "run_table_model_test.moc"
