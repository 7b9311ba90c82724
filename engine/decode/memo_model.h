// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "engine/decode/token_model.h"

#include <map>

namespace lathe {

/// A model that remembers what it said behind every prefix of one text: asked again, it answers
/// without computing. Its rows are those of the model underneath, to the bit.
class MemoModel : public TokenModel {
public:
    /// @param encoder of the one text; outlives this, as the model does.
    /// @param top     candidates that are kept of every row
    MemoModel(TokenModel& model, const EncoderOutput* encoder, int top);

    std::int64_t vocabularySize() const override { return m_model.vocabularySize(); }
    std::int64_t maxPositions() const override { return m_model.maxPositions(); }
    /// Any number of attempts at the text. @throws InternalError for another encoder.
    std::unique_ptr<TokenSequence>
    begin(std::int64_t capacity, const EncoderOutput* encoder) override;
    /// @throws Unsupported for whole distributions, which are not kept.
    std::vector<TokenRow> feed(std::span<const TokenFeed> feeds, const RowDetail& detail) override;

    /// What is known behind a prefix; null when it was never asked for.
    const TokenRow* known(std::span<const TokenId> prefix) const;
    /// Prefixes that were computed, and rows that had to be for it: a cache that was cut back is
    /// filled again.
    std::int64_t prefixes() const noexcept { return m_prefixes; }
    std::int64_t computedRows() const noexcept { return m_computedRows; }

private:
    friend class MemoSequence;
    struct Node {
        std::map<TokenId, std::size_t> next{};
        bool isKnown = false;
        TokenRow row{};
        std::map<TokenId, double> distances{}; ///< of the targets that were asked for
    };

    std::size_t child(std::size_t node, TokenId token);
    bool knows(std::size_t node, TokenId target) const;
    void compute(class MemoSequence& sequence, std::size_t from, std::span<const TokenId> targets);
    void remember(Node& node, const TokenRow& row, TokenId target);

    TokenModel& m_model;
    const EncoderOutput* m_encoder;
    int m_top;
    std::vector<Node> m_nodes{1};
    std::unique_ptr<TokenSequence> m_sequence;
    std::vector<TokenId> m_fed; ///< what the model underneath has seen
    std::int64_t m_prefixes = 0, m_computedRows = 0, m_capacity = 0;
};

} // namespace lathe
