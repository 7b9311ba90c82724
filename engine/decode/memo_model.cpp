// SPDX-License-Identifier: Apache-2.0
#include "engine/decode/memo_model.h"

#include "engine/core/check.h"

#include <algorithm>

namespace lathe {

/// A path through the remembered prefixes.
class MemoSequence : public TokenSequence {
public:
    std::int64_t length() const override { return static_cast<std::int64_t>(tokens.size()); }
    void truncate(std::int64_t length) override {
        LATHE_CHECK(
            length >= 0 && length <= this->length(), "a text of " + std::to_string(this->length()) +
                                                         " tokens cannot be cut to " +
                                                         std::to_string(length));
        tokens.resize(static_cast<std::size_t>(length));
        path.resize(tokens.size());
    }

    std::vector<TokenId> tokens;
    std::vector<std::size_t> path; ///< node behind each token
};

MemoModel::MemoModel(TokenModel& model, const EncoderOutput* encoder, int top)
    : m_model(model), m_encoder(encoder), m_top(top) {}

std::unique_ptr<TokenSequence>
MemoModel::begin(std::int64_t capacity, const EncoderOutput* encoder) {
    if (encoder != m_encoder) {
        throw InternalError("what is remembered of one text was asked for another");
    }
    if (m_sequence == nullptr || capacity > m_capacity) {
        m_sequence = m_model.begin(capacity, encoder);
        m_capacity = capacity;
        m_fed.clear();
    }
    return std::make_unique<MemoSequence>();
}

std::vector<TokenRow> MemoModel::feed(std::span<const TokenFeed> feeds, const RowDetail& detail) {
    if (detail.probabilities) {
        throw Unsupported("what a model said is remembered for greedy decoding only");
    }
    std::vector<TokenRow> rows;
    for (const TokenFeed& feed : feeds) {
        auto& sequence = dynamic_cast<MemoSequence&>(feed.sequence);
        const std::size_t from = sequence.tokens.size();
        for (const TokenId token : feed.tokens) {
            const std::size_t parent = sequence.path.empty() ? 0 : sequence.path.back();
            sequence.path.push_back(child(parent, token));
            sequence.tokens.push_back(token);
        }
        if (detail.nothing) {
            continue;
        }
        const auto target = [&](std::size_t i) {
            return i < feed.targets.size() ? feed.targets[i] : -1;
        };
        bool isKnown = true;
        for (std::size_t i = 0; i < feed.tokens.size(); ++i) {
            isKnown = isKnown && knows(sequence.path[from + i], target(i));
        }
        if (!isKnown) {
            compute(sequence, from, feed.targets);
        }
        for (std::size_t i = 0; i < feed.tokens.size(); ++i) {
            const Node& node = m_nodes[sequence.path[from + i]];
            rows.push_back(node.row);
            if (target(i) >= 0) {
                rows.back().distance = node.distances.at(target(i));
            }
        }
    }
    return rows;
}

/// Feeds the model underneath whatever it lacks of the sequence; rows from `from` on are wanted.
void MemoModel::compute(
    MemoSequence& sequence, std::size_t from, std::span<const TokenId> targets) {
    const auto& tokens = sequence.tokens;
    std::size_t first = from;
    const auto target = [&](std::size_t place) {
        return place >= from && place - from < targets.size() ? targets[place - from] : -1;
    };
    while (knows(sequence.path[first], target(first))) {
        ++first;
    }
    const auto seen = static_cast<std::size_t>(
        std::ranges::mismatch(m_fed, std::span(tokens).first(first)).in1 - m_fed.begin());
    m_sequence->truncate(static_cast<std::int64_t>(seen));
    m_fed.resize(seen);
    std::vector<TokenId> wanted;
    for (std::size_t place = seen; place < tokens.size(); ++place) {
        wanted.push_back(target(place));
    }
    const TokenFeed feed{*m_sequence, std::span(tokens).subspan(seen), wanted};
    const std::vector<TokenRow> rows = m_model.feed(std::span(&feed, 1), {.top = m_top});
    m_fed = tokens;
    m_computedRows += static_cast<std::int64_t>(rows.size());
    for (std::size_t i = 0; i < rows.size(); ++i) {
        remember(m_nodes[sequence.path[seen + i]], rows[i], wanted[i]);
    }
}

/// What was said first stays: kernels for other numbers of rows may round otherwise.
void MemoModel::remember(Node& node, const TokenRow& row, TokenId target) {
    if (!node.isKnown) {
        node.isKnown = true;
        node.row = row;
        node.row.distance = std::numeric_limits<double>::quiet_NaN();
        ++m_prefixes;
    }
    if (target >= 0) {
        node.distances.emplace(target, row.distance);
    }
}

bool MemoModel::knows(std::size_t node, TokenId target) const {
    const Node& at = m_nodes[node];
    return at.isKnown && (target < 0 || at.distances.contains(target));
}

std::size_t MemoModel::child(std::size_t node, TokenId token) {
    const auto [found, isNew] = m_nodes[node].next.try_emplace(token, m_nodes.size());
    const std::size_t index = found->second;
    if (isNew) {
        m_nodes.emplace_back();
    }
    return index;
}

const TokenRow* MemoModel::known(std::span<const TokenId> prefix) const {
    std::size_t node = 0;
    for (const TokenId token : prefix) {
        const auto next = m_nodes[node].next.find(token);
        if (next == m_nodes[node].next.end()) {
            return nullptr;
        }
        node = next->second;
    }
    return m_nodes[node].isKnown ? &m_nodes[node].row : nullptr;
}

} // namespace lathe
