// SPDX-License-Identifier: GPL-3.0-or-later
#include "widgets/runs/event_table_model.h"

#include "engine/core/error.h"
#include "tests/widgets/quant/fake_context.h"

#include <QAbstractItemModelTester>
#include <QSignalSpy>

using namespace lathe;
using namespace lathe::test;

namespace {

/// A run that keeps talking: every tenth event is a log line, the others are metrics.
class Talker {
public:
    explicit Talker(int count) : m_count(count) {}
    void say(int more) { m_count += more; }
    int reads = 0;

    std::vector<Event> read(std::int64_t after, int limit) {
        ++reads;
        std::vector<Event> page;
        for (std::int64_t seq = std::max<std::int64_t>(after, 0) + 1;
             seq <= m_count && static_cast<int>(page.size()) < limit; ++seq) {
            Event event{
                .runId = 1,
                .cell = 0,
                .seq = seq,
                .at = std::chrono::milliseconds(seq),
                .payload = {}};
            if (seq % 10 == 0) {
                event.payload = LogLine{LogLevel::Error, "line " + std::to_string(seq)};
            } else {
                event.payload = Metric{"loss", double(seq), "nat", seq};
            }
            page.push_back(std::move(event));
        }
        return page;
    }
    EventTableModel::Source source() {
        return [this](std::int64_t after, int limit) { return read(after, limit); };
    }

private:
    int m_count;
};

} // namespace

class EventTableModelTest : public QObject {
    Q_OBJECT

private slots:
    void init() { QLocale::setDefault(QLocale::c()); }

    void readsPageByPage() {
        Talker talker(1000);
        EventTableModel model;
        model.setSource(talker.source());
        QTRY_COMPARE(model.rowCount(), EventTableModel::kPage);
        QCoreApplication::processEvents();
        QCOMPARE(talker.reads, 1); // not more than asked for
        while (model.canFetchMore({})) {
            model.fetchMore({});
        }
        QCOMPARE(model.rowCount(), 1000);
        QCOMPARE(
            model.index(999, EventTableModel::SeqColumn).data().toString(), QStringLiteral("1000"));
        QCOMPARE(
            model.index(0, EventTableModel::TextColumn).data().toString(),
            QStringLiteral("loss = 1 nat at step 1"));
        QCOMPARE(
            model.index(0, EventTableModel::TimeColumn).data().toString(), QStringLiteral("0.001"));
    }

    void followsTheRun() {
        Talker talker(5);
        EventTableModel model;
        model.setSource(talker.source());
        QTRY_COMPARE(model.rowCount(), 5);
        // From here on only: it asks a model for more while that one is still being reset.
        QAbstractItemModelTester tester(
            &model, QAbstractItemModelTester::FailureReportingMode::QtTest);
        QVERIFY(!model.canFetchMore({}));
        talker.say(7);
        model.poll();
        QCOMPARE(model.rowCount(), 12);
        model.poll();
        QCOMPARE(model.rowCount(), 12); // nothing twice
    }

    void filtersByKind() {
        Talker talker(1000);
        EventTableModel model;
        model.setSource(talker.source());
        model.setKind(QStringLiteral("log"));
        // Pages without enough rows make it read on by itself.
        QTRY_COMPARE(model.rowCount(), 100);
        QTRY_VERIFY(!model.canFetchMore({}));
        QAbstractItemModelTester tester(
            &model, QAbstractItemModelTester::FailureReportingMode::QtTest);
        QCOMPARE(
            model.index(99, EventTableModel::KindColumn).data().toString(), QStringLiteral("log"));
        model.setKind(QStringLiteral("token"));
        QCOMPARE(model.rowCount(), 0);
        model.setKind(QString());
        QCOMPARE(model.rowCount(), 1000);
    }

    void tellsWhatCannotBeRead() {
        EventTableModel model;
        QSignalSpy failed(&model, &EventTableModel::failed);
        model.setSource([](std::int64_t, int) -> std::vector<Event> {
            throw InternalError("the disk is gone");
        });
        QTRY_COMPARE(failed.count(), 1);
        QVERIFY(!model.canFetchMore({}));
    }

    void saysEveryKind() {
        QCOMPARE(eventText(Progress{0.5, "half"}), QStringLiteral("50 % half"));
        QCOMPARE(eventText(Metric{"m", std::nan(""), "s"}), QStringLiteral("m = – s"));
        QVERIFY(eventText(TokenDecoded{3, 17, "a\nb", "m", "greedy", 0.5})
                    .contains(QStringLiteral("a↵b")));
        QCOMPARE(
            eventText(CellChanged{CellState::Failed, "k", {{"bits", 3}}, {}, "why"}),
            QStringLiteral("failed · bits 3: why"));
        QCOMPARE(
            eventText(RunChanged{RunState::Crashed, "signal 9"}),
            QStringLiteral("crashed: signal 9"));
        QCOMPARE(eventText(ArrayReady{"a", "F32", {2, 3}, {}}), QStringLiteral("a: F32 of 2 × 3"));
        QVERIFY(eventText(ArtifactReady{"f", "text/plain", std::vector<std::byte>(3)})
                    .contains(QStringLiteral("3 bytes")));
        QCOMPARE(eventText(LogLine{LogLevel::Warning, "w"}), QStringLiteral("warning · w"));
    }

    void showsAStoredRun() {
        FakeContext context;
        const qint64 id = context.addSweep();
        EventTableModel model;
        model.setSource([&context, id](std::int64_t after, int limit) {
            return context.reader().events(id, after, limit);
        });
        QTRY_COMPARE(model.rowCount(), int(context.recorded.events.size()));
    }
};

LATHE_TEST(EventTableModelTest);
#include "event_table_model_test.moc"
