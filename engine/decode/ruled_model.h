// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "engine/decode/token_model.h"

namespace lathe {

/// What a model is kept from saying.
struct TokenRules {
    /// The logarithm of the probability of every id in the text so far is multiplied by this; above
    /// 1, repetition becomes less likely. Not a logit divided (CTRL, arXiv 1909.05858): the sign of
    /// a logit means nothing, and two models of a pair differ in it.
    double repetitionPenalty = 1.0;
    std::vector<std::vector<TokenId>> banned{}; ///< runs of ids that are not written

    bool isEmpty() const { return repetitionPenalty == 1.0 && banned.empty(); }
};

/// A model under rules. They change every row alike, each by the text in front of it: drafts, the
/// rows that judge them and what is written behind. Confidence and distance are those of the
/// changed row, whose probabilities sum to 1 again.
class RuledModel : public TokenModel {
public:
    /// @throws InputError for a penalty that is not above 0, an empty run or an id out of range.
    RuledModel(std::unique_ptr<TokenModel> model, TokenRules rules);

    std::int64_t vocabularySize() const override { return m_model->vocabularySize(); }
    std::int64_t maxPositions() const override { return m_model->maxPositions(); }
    std::unique_ptr<TokenSequence>
    begin(std::int64_t capacity, const EncoderOutput* encoder) override;
    /// @throws InputError also where the rules leave no id.
    std::vector<TokenRow> feed(std::span<const TokenFeed> feeds, const RowDetail& detail) override;

private:
    /// @param text up to the id that the row is behind
    void apply(std::span<const TokenId> text, std::vector<double>& probabilities) const;

    std::unique_ptr<TokenModel> m_model;
    TokenRules m_rules;
};

} // namespace lathe
