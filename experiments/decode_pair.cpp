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
    DecodeRequest decode{
        .prompt = {}, .ends = tokenizer().ends(), .maxNew = request.maxNew, .seed = request.seed};
    std::optional<EncoderOutput> littleRead, bigRead;
    std::int64_t littleNs = 0, bigNs = 0;
    if (const Encoder* encoder = m_big->encoder()) {
        const std::vector<TokenId> source = sourceIds(tokenizer(), *encoder, request.text);
        const auto read = [&](const Encoder& with, std::int64_t& nanoseconds) {
            const std::int64_t start = steadyNanoseconds();
            EncoderOutput output = with.encode(m_context.exec, source);
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
        decode.prompt = {encoder->startToken()};
        decode.lookup = source;
    } else {
        decode.prompt = promptIds(tokenizer(), request.text);
    }
    DecodeSettings settings{.options = options};
    if (onEvent) {
        settings.onEvent = [&onEvent](std::size_t, const DecodeEvent& event) { onEvent(event); };
    }
    const DecodeModels models{
        .little = usesLittle(options) ? m_littleModel.get() : nullptr,
        .big = usesBig(options) ? m_bigModel.get() : nullptr};
    PairText result;
    result.decoded =
        std::move(decodeTexts(m_context.run, models, std::span(&decode, 1), settings).front());
    addEncoders(result.decoded.log, littleNs, bigNs);
    result.encoderNs = littleNs + bigNs;
    result.decoded.wallNs += result.encoderNs;
    const std::span<const TokenId> ids = result.newIds();
    const bool hasEnd =
        !ids.empty() && std::ranges::find(decode.ends, ids.back()) != decode.ends.end();
    result.text = tokenizer().decode(hasEnd ? ids.first(ids.size() - 1) : ids);
    return result;
}

} // namespace lathe
