// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "engine/core/run_control.h"
#include "engine/decode/decode_texts.h"

#include <functional>
#include <vector>

namespace lathe::test {

/// Probabilities of the next token behind a text that is not empty.
using NextToken = std::function<std::vector<double>(std::span<const TokenId>)>;

/// A model whose distributions are given, as probabilities and not through a softmax. Checks what
/// it is fed as a neural network would, and counts it.
class TableModel : public TokenModel {
public:
    TableModel(std::int64_t vocabulary, NextToken next)
        : m_vocabulary(vocabulary), m_next(std::move(next)) {}

    std::int64_t vocabularySize() const override { return m_vocabulary; }
    std::int64_t maxPositions() const override { return positions; }
    std::unique_ptr<TokenSequence>
    begin(std::int64_t capacity, const EncoderOutput* encoder) override;
    std::vector<TokenRow> feed(std::span<const TokenFeed> feeds, const RowDetail& detail) override;

    std::int64_t positions = 1000;
    std::vector<std::vector<std::vector<TokenId>>> calls; ///< what was fed: call, text, tokens

private:
    std::int64_t m_vocabulary;
    NextToken m_next;
};

/// The pair of the worked traces: ids 0 <s>, 1 A, 2 B, 3 C, 4 D, 5 E, 6 </s>; the next token
/// depends on the last one only.
TableModel tracesLittle();
TableModel tracesBig();
inline constexpr TokenId kTraceEnd = 6;
/// "A D E </s>" of the ids behind the start token.
std::string spelled(std::span<const TokenId> tokens);

/// A pair of random models over `vocabulary` ids, of which the last ends a text. Distributions
/// depend on the last three tokens; the little model's lean to the big one's.
struct ToyPair {
    TableModel little, big;
};
ToyPair toyPair(std::uint64_t seed, std::int64_t vocabulary = 8);

/// Greedy continuation of one model, by the definition.
std::vector<TokenId> greedy(TableModel& model, const DecodeRequest& request);

/// Decodes one text with a clock that moves by `kTick` at every look.
inline constexpr std::int64_t kTick = 1000;
DecodedText decodeOne(
    TableModel& little, TableModel& big, const DecodeRequest& request, DecodeSettings settings);
std::vector<DecodedText> decodeMany(
    TokenModel* little, TokenModel* big, std::span<const DecodeRequest> requests,
    DecodeSettings settings);

} // namespace lathe::test
