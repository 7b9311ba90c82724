// SPDX-License-Identifier: Apache-2.0
#include "experiments/decode_pair.h"

#include "engine/core/check.h"
#include "experiments/text_generation.h"

#include <algorithm>

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

std::unique_ptr<ReadText> DecodePair::read(const PairRequest& request, bool little, bool big) {
    auto text = std::make_unique<ReadText>();
    text->request = decodeRequest(*m_big, request.text, request.maxNew);
    text->request.seed = request.seed;
    const auto encode = [&](const LoadedModel& model, std::int64_t& nanoseconds) {
        const std::int64_t start = steadyNanoseconds();
        EncoderOutput output = model.encoder()->encode(m_context.exec, text->request.lookup);
        m_context.exec.synchronize();
        nanoseconds = steadyNanoseconds() - start;
        return output;
    };
    if (m_big->encoder() == nullptr) {
        return text;
    }
    if (little) {
        text->little = encode(*m_little, text->littleNs);
        text->request.littleEncoder = &*text->little;
    }
    if (big) {
        text->big = encode(*m_big, text->bigNs);
        text->request.bigEncoder = &*text->big;
    }
    return text;
}

PairText DecodePair::decode(
    const PairRequest& request, const DraftOptions& options,
    const std::function<void(const DecodeEvent&)>& onEvent) {
    const auto text = read(request, usesLittle(options), usesBig(options));
    DecodeSettings settings{.options = options};
    if (onEvent) {
        settings.onEvent = [&onEvent](std::size_t, const DecodeEvent& event) { onEvent(event); };
    }
    PairText result;
    result.decoded = std::move(
        decodeTexts(m_context.run, models(), std::span(&text->request, 1), settings).front());
    addEncoders(result.decoded.log, text->littleNs, text->bigNs);
    result.encoderNs = text->littleNs + text->bigNs;
    result.decoded.wallNs += result.encoderNs;
    result.text = newText(tokenizer(), result.decoded, text->request.ends);
    return result;
}

} // namespace lathe
