// SPDX-License-Identifier: Apache-2.0
#include "experiments/decode_pair.h"

#include "engine/core/check.h"
#include "experiments/text_generation.h"

#include <algorithm>
#include <optional>

namespace lathe {

namespace {

/// Ids behind the vocabulary are padding, and the models of a pair may be padded differently.
std::int64_t commonSize(const LoadedModel& big, const LoadedModel& little) {
    return std::min(big.decoder().vocabularySize(), little.decoder().vocabularySize());
}

} // namespace

DecodeRequest decodeRequest(const LoadedModel& model, const std::string& text, int maxNew) {
    const Tokenizer& tokenizer = model.requireTokenizer();
    DecodeRequest request{.prompt = {}, .ends = tokenizer.ends(), .maxNew = maxNew};
    if (const Encoder* encoder = model.encoder()) {
        request.prompt = {encoder->startToken()};
        request.lookup = sourceIds(tokenizer, *encoder, text);
    } else {
        request.prompt = promptIds(tokenizer, text);
    }
    return request;
}

std::string
newText(const Tokenizer& tokenizer, const DecodedText& decoded, std::span<const TokenId> ends) {
    const std::span<const TokenId> ids =
        std::span(decoded.tokens).subspan(static_cast<std::size_t>(decoded.promptLength));
    const bool hasEnd = !ids.empty() && std::ranges::find(ends, ids.back()) != ends.end();
    return tokenizer.decode(hasEnd ? ids.first(ids.size() - 1) : ids);
}

DecodePair::DecodePair(StudyContext& context, const std::string& big, const std::string& little)
    : m_context(context), m_big(context.models.loadAny(big, context.exec, context.run)),
      m_little(context.models.loadAny(little, context.exec, context.run)) {
    LATHE_CHECK(
        (m_big->encoder() == nullptr) == (m_little->encoder() == nullptr),
        "one of " + big + " and " + little +
            " is an encoder-decoder and the other is not; choose two of one kind");
    requireSameVocabulary(
        m_big->requireTokenizer(), m_big->name, m_little->requireTokenizer(), m_little->name);
    const std::int64_t size = commonSize(*m_big, *m_little);
    m_bigModel = std::make_unique<DecoderModel>(context.exec, m_big->decoder(), size);
    m_littleModel = std::make_unique<DecoderModel>(context.exec, m_little->decoder(), size);
}

PairText DecodePair::decode(
    const PairRequest& request, const DraftOptions& options,
    const std::function<void(const DecodeEvent&)>& onEvent) {
    DecodeRequest decode = decodeRequest(*m_big, request.text, request.maxNew);
    decode.seed = request.seed;
    std::optional<EncoderOutput> littleRead, bigRead;
    std::int64_t littleNs = 0, bigNs = 0;
    if (const Encoder* encoder = m_big->encoder()) {
        const auto read = [&](const Encoder& with, std::int64_t& nanoseconds) {
            const std::int64_t start = steadyNanoseconds();
            EncoderOutput output = with.encode(m_context.exec, decode.lookup);
            m_context.exec.synchronize();
            nanoseconds = steadyNanoseconds() - start;
            return output;
        };
        if (usesLittle(options)) {
            littleRead = read(*m_little->encoder(), littleNs);
            decode.littleEncoder = &*littleRead;
        }
        if (usesBig(options)) {
            bigRead = read(*encoder, bigNs);
            decode.bigEncoder = &*bigRead;
        }
    }
    DecodeSettings settings{.options = options};
    if (onEvent) {
        settings.onEvent = [&onEvent](std::size_t, const DecodeEvent& event) { onEvent(event); };
    }
    PairText result;
    result.decoded = std::move(
        decodeTexts(
            m_context.run, {m_littleModel.get(), m_bigModel.get()}, std::span(&decode, 1), settings)
            .front());
    addEncoders(result.decoded.log, littleNs, bigNs);
    result.encoderNs = littleNs + bigNs;
    result.decoded.wallNs += result.encoderNs;
    result.text = newText(tokenizer(), result.decoded, decode.ends);
    return result;
}

} // namespace lathe
