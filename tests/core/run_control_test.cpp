// SPDX-License-Identifier: Apache-2.0
#include "engine/core/event_hub.h"
#include "engine/core/run_control.h"
#include "tests/support/lathe_test.h"

namespace lathe {

namespace {

class RecordingSink : public EventSink {
public:
    void post(Event event) noexcept override { events.push_back(std::move(event)); }
    std::vector<Event> events;
};

} // namespace

class RunControlTest : public QObject {
    Q_OBJECT
private slots:
    void eventsCountUpAndCarryTheirCell() {
        RecordingSink sink;
        RunControl run(5, sink, {});
        run.log(LogLevel::Info, "begin");
        run.beginCell(2, 0.5, 0.75);
        run.progress(0.5, "half");
        run.metric("nll", 1.0, "nat");
        run.endCell();
        run.progress(1.0, "end");
        QCOMPARE(sink.events.size(), 4U);
        for (std::size_t i = 0; i < sink.events.size(); ++i) {
            QCOMPARE(sink.events[i].runId, 5);
            QCOMPARE(sink.events[i].seq, static_cast<std::int64_t>(i + 1));
        }
        QCOMPARE(sink.events[0].cell, -1);
        QCOMPARE(sink.events[1].cell, 2);
        QCOMPARE(std::get<Progress>(sink.events[1].payload).fraction, 0.625);
        QCOMPARE(sink.events[3].cell, -1);
        QCOMPARE(std::get<Progress>(sink.events[3].payload).fraction, 1.0);
    }
    void aStopIsSeenAtTheNextCheckpoint() {
        RecordingSink sink;
        std::stop_source stop;
        RunControl run(1, sink, stop.get_token());
        run.checkpoint();
        stop.request_stop();
        QVERIFY_EXCEPTION_THROWN(run.checkpoint(), Cancelled);
    }
    void hubReachesEverySink() {
        RecordingSink a;
        RecordingSink b;
        EventHub hub({&a, &b});
        hub.post(Event{1, -1, 1, {}, LogLine{LogLevel::Info, "x"}});
        QCOMPARE(a.events.size(), 1U);
        QCOMPARE(std::get<LogLine>(b.events.at(0).payload).text, std::string("x"));
    }
};

LATHE_TEST(RunControlTest);

} // namespace lathe

#include "run_control_test.moc"
