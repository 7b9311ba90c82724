// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "engine/decode/decode_texts.h"
#include "engine/decode/decoder_model.h"
#include "engine/decode/encoder.h"
#include "engine/decode/ruled_model.h"
#include "experiments/model_cache.h"
#include "experiments/quantize_model.h"
#include "experiments/study.h"

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace lathe {

/// A text as a model begins it: its end tokens, and the prompt; for an encoder-decoder the start
/// token, with the source in `lookup`, which is still to be encoded.
/// @throws InputError for an empty text or one that is too long, naming its tokens.
DecodeRequest decodeRequest(const LoadedModel& model, const std::string& text, int maxNew);

/// How a vocabulary spells what is not to be written: as a piece of it, in front of a text and
/// behind a space. A word may have other spellings by smaller pieces, which stay possible.
/// @throws InputError for a text without tokens.
std::vector<std::vector<TokenId>>
spellings(const Tokenizer& tokenizer, std::span<const std::string> words);

/// The new tokens as text, without an end token.
std::string
newText(const Tokenizer& tokenizer, const DecodedText& decoded, std::span<const TokenId> ends);

/// What is to be decoded with a pair.
struct PairRequest {
    std::string text; ///< a source for encoder-decoders, else what is to be continued
    int maxNew = 128;
    std::uint64_t seed = 1;
};

/// Who drafts for the big model.
enum class Drafter : std::uint8_t {
    Little,     ///< the pair's little model
    Copy,       ///< a copy of the big one whose matrices are quantized
    FirstLayers ///< the first layers of the big one, with its head
};

struct Strategy {
    DraftOptions options{};
    Drafter drafter = Drafter::Little;
};

/// The models of a pair.
struct PairChoice {
    std::string big;
    std::string little{};              ///< empty: strategies that draft with it are refused
    QuantizeChoice copy{};             ///< how Copy is quantized
    double repetitionPenalty = 1.0;    ///< see TokenRules
    std::vector<std::string> banned{}; ///< words and pieces that are not written
    int exitLayer = 0; ///< layers of the decoder that FirstLayers has; 0: half, at least one
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

/// A big model and what drafts for it, on one device, with one vocabulary and of one kind: models
/// that continue texts, or encoder-decoders.
class DecodePair {
public:
    /// @throws InputError for models of different kinds or vocabularies, or rules that cannot be.
    DecodePair(StudyContext& context, PairChoice choice);

    /// Runs the encoders that the strategy needs, where the models have them.
    /// @throws what decode throws
    std::unique_ptr<ReadText> read(const PairRequest& request, const Strategy& strategy);
    DecodeModels models(Drafter drafter) {
        return {draftsman(drafter).model.get(), m_bigModel.get()};
    }

    /// Reads the text with the encoders that the strategy needs, then decodes. `onEvent` sees the
    /// events as they happen, those of the encoders excepted. A drafter that is part of the big
    /// model is made before the first text that needs it, which counts for no text.
    /// @throws InputError for an empty text or one that is too long, naming its tokens, or a
    ///         drafter that cannot be; Unsupported for a method of quantization; Cancelled
    PairText decode(
        const PairRequest& request, const Strategy& strategy,
        const std::function<void(const DecodeEvent&)>& onEvent = {});

    const LoadedModel& big() const { return *m_big; }
    /// Null: none.
    const LoadedModel* little() const { return m_little.get(); }
    /// "translate-little", "translate-big, rtn 4 bit", "translate-big, first 2 layers".
    std::string nameOf(Drafter drafter) const;
    const Tokenizer& tokenizer() const { return m_big->requireTokenizer(); }

private:
    struct Draftsman {
        std::shared_ptr<const Decoder> decoder{};
        const Encoder* encoder = nullptr; ///< the big model's own where that is shared
        std::unique_ptr<TokenModel> model{};
    };
    Draftsman& draftsman(Drafter drafter);
    Draftsman makeDraftsman(Drafter drafter) const;
    std::shared_ptr<const Decoder> quantizedCopy() const;
    const EarlyExitDecoder& bigDecoder() const;
    int exitLayer() const;
    /// Under the rules of the choice, where there are any.
    std::unique_ptr<TokenModel> modelOf(const Decoder& decoder) const;

    StudyContext& m_context;
    PairChoice m_choice;
    std::shared_ptr<const LoadedModel> m_big, m_little;
    std::int64_t m_vocabulary; ///< ids that all models of the pair have
    TokenRules m_rules;
    std::unique_ptr<TokenModel> m_bigModel;
    std::map<Drafter, Draftsman> m_draftsmen;
};

} // namespace lathe
