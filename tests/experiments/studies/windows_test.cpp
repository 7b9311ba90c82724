// SPDX-License-Identifier: Apache-2.0
#include "engine/core/error.h"
#include "experiments/windows.h"
#include "tests/support/lathe_test.h"

#include <array>
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
    void drawsAsPythonDoes();
    void refusesTooShortDocuments();
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

/// Documents whose token at place p is 100 * document + p.
std::vector<TokenId> tokensOfDocument(std::size_t document) {
    constexpr std::array<std::size_t, 7> kLengths{3, 20, 8, 12, 9, 30, 5};
    std::vector<TokenId> ids(kLengths.at(document));
    std::iota(ids.begin(), ids.end(), static_cast<TokenId>(100 * document));
    return ids;
}

void WindowsTest::drawsAsPythonDoes() {
    // First tokens of the windows, as the same steps give them in Python.
    const std::vector<std::pair<std::uint32_t, std::vector<TokenId>>> expected{
        {0U, {303, 200, 400, 302, 302, 400}}, {4U, {104, 512, 301, 302, 108, 400}}};
    for (const auto& [seed, firsts] : expected) {
        const std::vector<TokenId> stream =
            drawWindows(7, tokensOfDocument, {.window = 8, .count = 6, .seed = seed});
        QCOMPARE(stream.size(), 48U);
        for (std::size_t i = 0; i < stream.size(); ++i) {
            QCOMPARE(stream[i], firsts[i / 8] + static_cast<TokenId>(i % 8));
        }
    }
    QCOMPARE(
        protocolLabel(DrawOptions{.window = 8, .count = 6}, "none"),
        std::string("window 8, 6 windows drawn from documents, seed 0, bos document, clean none"));
}

void WindowsTest::refusesTooShortDocuments() {
    const DrawOptions options{.window = 31, .count = 2};
    LATHE_VERIFY_THROWS(
        drawWindows(7, tokensOfDocument, options), InputError, "none of 7 documents");
    LATHE_VERIFY_THROWS(drawWindows(0, tokensOfDocument, options), InputError, "none of 0");
    LATHE_VERIFY_THROWS(
        drawWindows(7, tokensOfDocument, DrawOptions{.window = 1}), InputError, "--window");
}

LATHE_TEST(WindowsTest);

} // namespace lathe

#include "windows_test.moc"
