// SPDX-License-Identifier: Apache-2.0
#include "engine/text/bpe_merges.h"
#include "tests/support/lathe_test.h"

#include <map>
#include <random>

namespace lathe {

namespace {

using Symbols = std::vector<TokenId>;
using Rules = std::vector<std::array<TokenId, 3>>;

/// The definition itself: the rule of lowest rank that applies anywhere goes first, leftmost.
Symbols mergedByDefinition(Symbols symbols, const Rules& rules) {
    for (;;) {
        bool merged = false;
        for (const auto& [left, right, result] : rules) {
            for (std::size_t i = 0; i + 1 < symbols.size() && !merged; ++i) {
                if (symbols[i] == left && symbols[i + 1] == right) {
                    symbols[i] = result;
                    symbols.erase(symbols.begin() + static_cast<std::ptrdiff_t>(i) + 1);
                    merged = true;
                }
            }
            if (merged) {
                break;
            }
        }
        if (!merged) {
            return symbols;
        }
    }
}

BpeMerges mergesOf(const Rules& rules) {
    BpeMerges merges;
    for (const auto& [left, right, result] : rules) {
        merges.add(left, right, result);
    }
    return merges;
}

Symbols applied(const BpeMerges& merges, Symbols symbols) {
    merges.apply(symbols);
    return symbols;
}

} // namespace

class BpeMergesTest : public QObject {
    Q_OBJECT
private slots:
    void nothingAndOneSymbolStay() {
        const BpeMerges merges = mergesOf({{1, 2, 3}});
        QCOMPARE(applied(merges, {}), Symbols());
        QCOMPARE(applied(merges, {1}), Symbols{1});
    }
    void lowerRanksGoFirst() {
        const BpeMerges merges = mergesOf({{2, 3, 4}, {1, 2, 5}});
        QCOMPARE(applied(merges, {1, 2, 3}), (Symbols{1, 4}));
        QCOMPARE(applied(merges, {1, 2, 1}), (Symbols{5, 1}));
    }
    void equalPairsMergeFromTheLeft() {
        const BpeMerges merges = mergesOf({{1, 1, 2}});
        QCOMPARE(applied(merges, {1, 1, 1}), (Symbols{2, 1}));
        QCOMPARE(applied(merges, {1, 1, 1, 1}), (Symbols{2, 2}));
    }
    void firstRankOfAPairCounts() {
        const BpeMerges merges = mergesOf({{1, 2, 3}, {2, 2, 4}, {1, 2, 9}});
        QCOMPARE(applied(merges, {1, 2}), Symbols{3});
    }
    void agreesWithTheDefinition() {
        std::mt19937 random(7);
        const auto below = [&](int n) { return static_cast<TokenId>(random() % unsigned(n)); };
        for (int round = 0; round < 300; ++round) {
            Rules rules;
            std::map<std::pair<TokenId, TokenId>, bool> seen;
            for (TokenId result = 4; result < 24; ++result) {
                const TokenId left = below(result);
                const TokenId right = below(result);
                if (seen.emplace(std::pair(left, right), true).second) {
                    rules.push_back({left, right, result});
                }
            }
            Symbols symbols;
            for (int i = 0; i < 40; ++i) {
                symbols.push_back(below(4));
            }
            QCOMPARE(applied(mergesOf(rules), symbols), mergedByDefinition(symbols, rules));
        }
    }
    /// Quadratic work on this word would be 10^12 steps, far beyond the time any test is given.
    void longWordsAreNotQuadratic() {
        const BpeMerges merges = mergesOf({{1, 1, 2}, {2, 2, 3}, {3, 3, 4}});
        const Symbols result = applied(merges, Symbols(std::size_t{1} << 20U, 1));
        QCOMPARE(result, Symbols(std::size_t{1} << 17U, 4));
        // Each merge reaches one symbol further to the left.
        const BpeMerges chain = mergesOf({{2, 1, 2}, {1, 2, 2}});
        Symbols leftwards(std::size_t{1} << 20U, 1);
        leftwards.back() = 2;
        QCOMPARE(applied(chain, leftwards), Symbols{2});
    }
};

LATHE_TEST(BpeMergesTest);

} // namespace lathe

#include "bpe_merges_test.moc"
