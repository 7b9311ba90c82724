// SPDX-License-Identifier: Apache-2.0
#include "engine/text/bpe_merges.h"

#include "engine/core/check.h"

#include <limits>
#include <queue>

namespace lathe {

namespace {

std::uint64_t pairKey(TokenId left, TokenId right) {
    return (std::uint64_t{static_cast<std::uint32_t>(left)} << 32U) |
           static_cast<std::uint32_t>(right);
}

constexpr std::int32_t kNone = -1;

/// A symbol in a doubly linked list over the word.
struct Symbol {
    TokenId id;
    std::int32_t previous;
    std::int32_t next;
};

struct Candidate {
    std::int32_t rank;
    std::int32_t left; ///< index of the left symbol
    TokenId merged;
    /// Lowest rank first, then leftmost.
    bool operator<(const Candidate& other) const {
        return rank != other.rank ? rank > other.rank : left > other.left;
    }
};

} // namespace

void BpeMerges::add(TokenId left, TokenId right, TokenId merged) {
    const auto rank = static_cast<std::int32_t>(m_rules.size());
    m_rules.emplace(pairKey(left, right), Rule{rank, merged});
}

const BpeMerges::Rule* BpeMerges::find(TokenId left, TokenId right) const {
    const auto found = m_rules.find(pairKey(left, right));
    return found == m_rules.end() ? nullptr : &found->second;
}

void BpeMerges::apply(std::vector<TokenId>& symbols) const {
    LATHE_CHECK(
        symbols.size() <= static_cast<std::size_t>(std::numeric_limits<std::int32_t>::max()),
        "a single word of over two thousand million bytes cannot be encoded");
    std::vector<Symbol> list;
    list.reserve(symbols.size());
    const auto count = static_cast<std::int32_t>(symbols.size());
    for (std::int32_t i = 0; i < count; ++i) {
        const TokenId id = symbols[static_cast<std::size_t>(i)];
        list.push_back({id, i - 1, i + 1 < count ? i + 1 : kNone});
    }
    std::priority_queue<Candidate> queue;
    const auto at = [&](std::int32_t i) -> Symbol& { return list[static_cast<std::size_t>(i)]; };
    const auto offer = [&](std::int32_t left) {
        if (left == kNone || at(left).next == kNone) {
            return;
        }
        if (const Rule* rule = find(at(left).id, at(at(left).next).id)) {
            queue.push({rule->rank, left, rule->merged});
        }
    };
    for (std::int32_t i = 0; i < count; ++i) {
        offer(i);
    }
    constexpr TokenId kGone = -2;
    while (!queue.empty()) {
        const Candidate best = queue.top();
        queue.pop();
        Symbol& left = at(best.left);
        if (left.id == kGone || left.next == kNone) {
            continue;
        }
        // Either side may have changed since: the rule must still be the one offered.
        Symbol& right = at(left.next);
        const Rule* rule = find(left.id, right.id);
        if (rule == nullptr || rule->rank != best.rank) {
            continue;
        }
        left.id = best.merged;
        left.next = right.next;
        if (right.next != kNone) {
            at(right.next).previous = best.left;
        }
        right.id = kGone;
        offer(left.previous);
        offer(best.left);
    }
    std::size_t kept = 0;
    for (std::int32_t i = count > 0 ? 0 : kNone; i != kNone; i = at(i).next) {
        symbols[kept++] = at(i).id;
    }
    symbols.resize(kept);
}

} // namespace lathe
