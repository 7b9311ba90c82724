// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "engine/decode/decoder.h"
#include "engine/decode/token_model.h"

#include <optional>

namespace lathe {

/// A neural network as a TokenModel: rows of logits stay on the device, 16 bytes of each leave it
/// unless candidates or whole distributions are asked for.
class DecoderModel : public TokenModel {
public:
    /// @param vocabulary ids that count; entries behind them are padding and never chosen. Two
    ///        models of one vocabulary may be padded differently: give both the smaller size.
    /// @throws InputError for more than the decoder has, or none.
    DecoderModel(
        ExecContext& context, const Decoder& decoder,
        std::optional<std::int64_t> vocabulary = std::nullopt);

    std::int64_t vocabularySize() const override { return m_vocabulary; }
    std::int64_t maxPositions() const override { return m_decoder.maxPositions(); }
    std::unique_ptr<TokenSequence>
    begin(std::int64_t capacity, const EncoderOutput* encoder) override;
    /// @throws InputError for logits that are NaN, +Inf or all -Inf (damaged weights).
    std::vector<TokenRow> feed(std::span<const TokenFeed> feeds, const RowDetail& detail) override;
    /// Where the decoder is a DraftMaker that can.
    bool draftsAlone(const DraftLimits& limits) const override;
    /// @throws InputError as feed does.
    std::vector<TokenRow> draft(
        TokenSequence& sequence, std::span<const TokenId> tokens,
        const DraftLimits& limits) override;

private:
    std::vector<TokenRow> statistics(ConstView logits, std::span<const TokenFeed> feeds);
    void addDistributions(ConstView logits, const RowDetail& detail, std::vector<TokenRow>& rows);

    ExecContext& m_context;
    const Decoder& m_decoder;
    std::int64_t m_vocabulary;
    Tensor m_targets, m_block; ///< on the device, grown on demand
    std::vector<float> m_logits;
};

/// @throws InputError naming both models unless their vocabularies agree.
void requireSameVocabulary(
    const Tokenizer& big, const std::string& bigName, const Tokenizer& little,
    const std::string& littleName);

} // namespace lathe
