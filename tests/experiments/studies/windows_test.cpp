// SPDX-License-Identifier: Apache-2.0
#include "engine/core/error.h"
#include "experiments/windows.h"
#include "tests/support/lathe_test.h"

#include <numeric>

namespace lathe {

class WindowsTest : public QObject {
    Q_OBJECT
private slots:
    void withoutOverlapEachFirstTokenIsUnscored();
    void aFullWindowNeedsNoTail();
    void keepsTheTailWhenAsked();
    void oneTokenMoreIsNoTail();
    void overlapScoresEachTokenOnce();
    void ownTokenInFrontScoresAll();
    void ownTokenWithOverlapSkipsNothing();
    void shortTextIsKept();
    void stopsAtTheLimit();
    void refusesWhatCannotBe();
    void labelNamesTheProtocol();
};

namespace {

std::int64_t freshTokens(const WindowPlan& plan) {
    return std::accumulate(
        plan.windows.begin(), plan.windows.end(), std::int64_t{0},
        [](std::int64_t sum, const Window& window) { return sum + window.fresh; });
}

} // namespace

void WindowsTest::withoutOverlapEachFirstTokenIsUnscored() {
    const WindowPlan plan = planWindows(10, {.window = 4, .stride = 4});
    const std::vector<Window> expected{{0, 4, 3}, {4, 4, 3}};
    QCOMPARE(plan.windows, expected);
    QVERIFY(!plan.keptShortText);
}

void WindowsTest::aFullWindowNeedsNoTail() {
    const std::vector<Window> expected{{0, 4, 3}, {4, 4, 3}};
    QCOMPARE(planWindows(8, {.window = 4, .stride = 4}).windows, expected);
    QCOMPARE(planWindows(8, {.window = 4, .stride = 4, .keepTail = true}).windows, expected);
}

void WindowsTest::keepsTheTailWhenAsked() {
    const WindowPlan plan = planWindows(10, {.window = 4, .stride = 4, .keepTail = true});
    const std::vector<Window> expected{{0, 4, 3}, {4, 4, 3}, {8, 2, 1}};
    QCOMPARE(plan.windows, expected);
}

void WindowsTest::oneTokenMoreIsNoTail() {
    // A window of one token predicts nothing.
    QCOMPARE(planWindows(9, {.window = 4, .stride = 4, .keepTail = true}).windows.size(), 2U);
}

void WindowsTest::overlapScoresEachTokenOnce() {
    const WindowPlan plan = planWindows(11, {.window = 4, .stride = 2, .keepTail = true});
    const std::vector<Window> expected{{0, 4, 3}, {2, 4, 2}, {4, 4, 2}, {6, 4, 2}, {8, 3, 1}};
    QCOMPARE(plan.windows, expected);
    QCOMPARE(freshTokens(plan), 10); // all but the very first
}

void WindowsTest::ownTokenInFrontScoresAll() {
    const WindowPlan plan =
        planWindows(7, {.window = 4, .stride = 4, .bosPerWindow = true, .keepTail = true});
    const std::vector<Window> expected{{0, 3, 3}, {3, 3, 3}, {6, 1, 1}};
    QCOMPARE(plan.windows, expected);
}

void WindowsTest::ownTokenWithOverlapSkipsNothing() {
    const WindowPlan plan =
        planWindows(9, {.window = 5, .stride = 2, .bosPerWindow = true, .keepTail = true});
    QCOMPARE(freshTokens(plan), 9);
    QCOMPARE(plan.windows.front(), (Window{0, 4, 4}));
    QCOMPARE(plan.windows[1], (Window{2, 4, 2}));
}

void WindowsTest::shortTextIsKept() {
    const WindowPlan plan = planWindows(5, {.window = 256, .stride = 256});
    QCOMPARE(plan.windows, (std::vector<Window>{{0, 5, 4}}));
    QVERIFY(plan.keptShortText);
}

void WindowsTest::stopsAtTheLimit() {
    QCOMPARE(planWindows(100, {.window = 4, .stride = 4, .maxWindows = 3}).windows.size(), 3U);
    QCOMPARE(planWindows(100, {.window = 4, .stride = 4}).windows.size(), 25U);
}

void WindowsTest::refusesWhatCannotBe() {
    LATHE_VERIFY_THROWS(planWindows(10, {.window = 1, .stride = 1}), InputError, "--window");
    LATHE_VERIFY_THROWS(planWindows(10, {.window = 4, .stride = 0}), InputError, "--stride");
    LATHE_VERIFY_THROWS(planWindows(10, {.window = 4, .stride = 5}), InputError, "--stride");
    LATHE_VERIFY_THROWS(planWindows(1, {.window = 4, .stride = 4}), InputError, "1 token");
    LATHE_VERIFY_THROWS(planWindows(0, {.window = 4, .stride = 4}), InputError, "0 token");
}

void WindowsTest::labelNamesTheProtocol() {
    QCOMPARE(
        protocolLabel({.window = 256, .stride = 128}, "gutenberg"),
        std::string("window 256, stride 128, bos document, tail drop, clean gutenberg"));
    QCOMPARE(
        protocolLabel(
            {.window = 8, .stride = 8, .bosPerWindow = true, .keepTail = true, .maxWindows = 3},
            "none"),
        std::string("window 8, stride 8, bos window, tail keep, clean none, first 3 windows"));
}

LATHE_TEST(WindowsTest);

} // namespace lathe

#include "windows_test.moc"
