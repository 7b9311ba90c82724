// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "engine/decode/decode_texts.h"
#include "engine/decode/decoder_model.h"
#include "engine/decode/encoder.h"
#include "experiments/model_cache.h"
#include "experiments/study.h"

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace lathe {

/// A text as a model begins it: its end tokens, and the prompt; for an encoder-decoder the start
/// token, with the source in `lookup`, which is still to be encoded.
/// @throws InputError for an empty text or one that is too long, naming its tokens.
DecodeRequest decodeRequest(const LoadedModel& model, const std::string& text, int maxNew);

/// The new tokens as text, without an end token.
std::string
newText(const Tokenizer& tokenizer, const DecodedText& decoded, std::span<const TokenId> ends);

/// What is to be decoded with a pair.
struct PairRequest {
    std::string text; ///< a source for encoder-decoders, else what is to be continued
    int maxNew = 128;
    std::uint64_t seed = 1;
};

/// A text as the models of a pair begin it; `request` points to the encoders' outputs.
struct ReadText {
    DecodeRequest request;
    std::optional<EncoderOutput> little, big;
    std::int64_t littleNs = 0, bigNs = 0;
};

/// A text that a pair decoded; times with encoders.
struct PairText {
    DecodedText decoded; ///< its log begins with the encoders
    std::string text;    ///< of the new tokens without the end token
    std::int64_t encoderNs = 0;

    std::span<const TokenId> newIds() const {
        return std::span(decoded.tokens).subspan(static_cast<std::size_t>(decoded.promptLength));
    }
};

/// A big and a little model of one vocabulary on one device, of one kind: two that continue texts,
/// or two encoder-decoders.
class DecodePair {
public:
    /// @throws InputError for models of different kinds or vocabularies.
    DecodePair(StudyContext& context, const std::string& big, const std::string& little);

    /// Runs the encoders, where the models have them. @throws what decode throws
    std::unique_ptr<ReadText> read(const PairRequest& request, bool little, bool big);
    DecodeModels models() const { return {m_littleModel.get(), m_bigModel.get()}; }

    /// Reads the text with the encoders that the strategy needs, then decodes. `onEvent` sees the
    /// events as they happen, those of the encoders excepted.
    /// @throws InputError for an empty text or one that is too long, naming its tokens; Cancelled
    PairText decode(
        const PairRequest& request, const DraftOptions& options,
        const std::function<void(const DecodeEvent&)>& onEvent = {});

    const LoadedModel& big() const { return *m_big; }
    const LoadedModel& little() const { return *m_little; }
    const Tokenizer& tokenizer() const { return m_big->requireTokenizer(); }

private:
    StudyContext& m_context;
    std::shared_ptr<const LoadedModel> m_big, m_little;
    std::unique_ptr<DecoderModel> m_bigModel, m_littleModel;
};

} // namespace lathe
