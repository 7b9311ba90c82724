// SPDX-License-Identifier: GPL-3.0-or-later
#include "widgets/base/event_bridge.h"

#include "tests/support/lathe_test.h"

#include <thread>

namespace lathe {

/// Several threads post, the GUI thread receives.
class EventBridgeTest : public QObject {
    Q_OBJECT
private slots:
    void keepsOrderAndLosesNothing();
    void keepsTheLatestProgressOnly();
    void progressKeepsItsPlaceAmongOthers();
    void deliversOnItsOwnThread();
    void handsAFloodOverInParts();

private:
    static Event metric(std::int64_t run, std::int64_t seq) {
        return {run, 0, seq, {}, Metric{"m", static_cast<double>(seq), "", seq}};
    }
    static Event progress(std::int64_t run, std::int64_t seq) {
        return {run, -1, seq, {}, Progress{static_cast<double>(seq), "phase"}};
    }
    static std::vector<Event> collect(EventBridge& bridge) {
        std::vector<Event> all;
        const auto connection = connect(
            &bridge, &EventBridge::eventsReady, &bridge, [&all](std::span<const Event> events) {
                all.insert(all.end(), events.begin(), events.end());
            });
        bridge.flush();
        disconnect(connection);
        return all;
    }
};

void EventBridgeTest::keepsOrderAndLosesNothing() {
    constexpr int kRuns = 4;
    constexpr int kEvents = 3000;
    EventBridge bridge;
    std::vector<std::int64_t> last(kRuns + 1, 0);
    std::size_t received = 0;
    bool ordered = true;
    connect(&bridge, &EventBridge::eventsReady, this, [&](std::span<const Event> events) {
        for (const Event& event : events) {
            std::int64_t& before = last[static_cast<std::size_t>(event.runId)];
            ordered = ordered && event.seq == before + 1;
            before = event.seq;
            ++received;
        }
    });
    {
        std::vector<std::jthread> threads;
        for (int run = 1; run <= kRuns; ++run) {
            threads.emplace_back([&bridge, run] {
                for (int seq = 1; seq <= kEvents; ++seq) {
                    bridge.post(metric(run, seq));
                }
            });
        }
    }
    QTRY_COMPARE(received, static_cast<std::size_t>(kRuns * kEvents));
    QVERIFY(ordered);
}

void EventBridgeTest::keepsTheLatestProgressOnly() {
    EventBridge bridge;
    for (int seq = 1; seq <= 100; ++seq) {
        bridge.post(progress(1, seq));
        bridge.post(progress(2, seq));
    }
    const std::vector<Event> all = collect(bridge);
    QCOMPARE(all.size(), std::size_t{2});
    for (const Event& event : all) {
        QCOMPARE(std::get<Progress>(event.payload).fraction, 100.0);
    }
}

void EventBridgeTest::progressKeepsItsPlaceAmongOthers() {
    EventBridge bridge;
    bridge.post(progress(1, 1));
    bridge.post(metric(1, 2));
    bridge.post(progress(1, 3));
    bridge.post({1, -1, 4, {}, RunChanged{RunState::Done}});
    const std::vector<Event> all = collect(bridge);
    std::vector<std::int64_t> seqs;
    for (const Event& event : all) {
        seqs.push_back(event.seq);
    }
    QCOMPARE(seqs, (std::vector<std::int64_t>{2, 3, 4}));
    bridge.post(progress(1, 5)); // a fresh batch merges with nothing of an old one
    QCOMPARE(collect(bridge).size(), std::size_t{1});
}

void EventBridgeTest::deliversOnItsOwnThread() {
    EventBridge bridge;
    QThread* seen = nullptr;
    connect(&bridge, &EventBridge::eventsReady, this, [&seen](std::span<const Event>) {
        seen = QThread::currentThread();
    });
    std::jthread([&bridge] { bridge.post(metric(1, 1)); }).join();
    QVERIFY(seen == nullptr); // nothing before the event loop turns
    QTRY_VERIFY(seen == thread());
}

void EventBridgeTest::handsAFloodOverInParts() {
    EventBridge bridge;
    const auto count = static_cast<std::int64_t>(EventBridge::kBatch) * 2 + 10;
    std::vector<std::size_t> batches;
    connect(&bridge, &EventBridge::eventsReady, this, [&batches](std::span<const Event> events) {
        batches.push_back(events.size());
    });
    for (std::int64_t seq = 1; seq <= count; ++seq) {
        bridge.post(metric(1, seq));
    }
    QTRY_COMPARE(batches.size(), std::size_t{3});
    QCOMPARE(batches.front(), EventBridge::kBatch);
    QCOMPARE(batches.back(), std::size_t{10});
}

LATHE_TEST(EventBridgeTest);

} // namespace lathe

#include "event_bridge_test.moc"
