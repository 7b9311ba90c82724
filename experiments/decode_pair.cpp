// SPDX-License-Identifier: Apache-2.0
#include "experiments/decode_pair.h"

#include "engine/core/check.h"
#include "experiments/elapsed.h"
#include "experiments/text_generation.h"

#include <algorithm>
#include <cmath>
#include <set>

namespace lathe {

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

std::vector<std::vector<TokenId>>
spellings(const Tokenizer& tokenizer, std::span<const std::string> words) {
    std::set<std::vector<TokenId>> all;
    for (const std::string& word : words) {
        for (TokenId id = 0; id < tokenizer.size(); ++id) {
            if (tokenizer.piece(id) == word) {
                all.insert({id});
            }
        }
        for (const std::string& text : {word, " " + word}) {
            std::vector<TokenId> ids = tokenizer.encode(text);
            LATHE_CHECK(!ids.empty(), "'" + text + "' has no tokens, so it cannot be banned");
            all.insert(std::move(ids));
        }
    }
    return {all.begin(), all.end()};
}

DecodePair::DecodePair(StudyContext& context, PairChoice choice)
    : m_context(context), m_choice(std::move(choice)),
      m_big(context.models.loadAny(m_choice.big, context.exec, context.run)),
      m_vocabulary(m_big->decoder().vocabularySize()) {
    if (!m_choice.little.empty()) {
        m_little = context.models.loadAny(m_choice.little, context.exec, context.run);
        LATHE_CHECK(
            (m_big->encoder() == nullptr) == (m_little->encoder() == nullptr),
            "one of " + m_big->name + " and " + m_little->name +
                " is an encoder-decoder and the other is not; choose two of one kind");
        requireSameVocabulary(
            m_big->requireTokenizer(), m_big->name, m_little->requireTokenizer(), m_little->name);
        // Ids behind the vocabulary are padding, and the models may be padded differently.
        m_vocabulary = std::min(m_vocabulary, m_little->decoder().vocabularySize());
    }
    m_rules = {
        .repetitionPenalty = m_choice.repetitionPenalty,
        .banned = spellings(tokenizer(), m_choice.banned)};
    m_bigModel = modelOf(m_big->decoder());
}

std::unique_ptr<TokenModel> DecodePair::modelOf(const Decoder& decoder) const {
    auto model = std::make_unique<DecoderModel>(m_context.exec, decoder, m_vocabulary);
    if (m_rules.isEmpty()) {
        return model;
    }
    return std::make_unique<RuledModel>(std::move(model), m_rules);
}

const EarlyExitDecoder& DecodePair::bigDecoder() const {
    return m_big->model ? static_cast<const EarlyExitDecoder&>(*m_big->model) : *m_big->translator;
}

int DecodePair::exitLayer() const {
    return m_choice.exitLayer > 0 ? m_choice.exitLayer : std::max(1, bigDecoder().layers() / 2);
}

std::string DecodePair::nameOf(Drafter drafter) const {
    switch (drafter) {
    case Drafter::Little:
        return m_little ? m_little->name : "";
    case Drafter::Copy:
        return m_big->name + ", " + m_choice.copy.title();
    case Drafter::FirstLayers:
        return m_big->name + ", first " + std::to_string(exitLayer()) + " layers";
    }
    return {};
}

DecodePair::Draftsman& DecodePair::draftsman(Drafter drafter) {
    const auto found = m_draftsmen.find(drafter);
    return found != m_draftsmen.end()
               ? found->second
               : m_draftsmen.emplace(drafter, makeDraftsman(drafter)).first->second;
}

DecodePair::Draftsman DecodePair::makeDraftsman(Drafter drafter) const {
    Draftsman made{.encoder = m_big->encoder()};
    switch (drafter) {
    case Drafter::Little:
        LATHE_CHECK(m_little != nullptr, "a little model is needed to draft; give one: --little");
        made.decoder = {m_little, &m_little->decoder()};
        made.encoder = m_little->encoder();
        break;
    case Drafter::Copy:
        made.decoder = quantizedCopy();
        break;
    case Drafter::FirstLayers:
        made.decoder = bigDecoder().firstLayers(exitLayer());
        break;
    }
    made.model = modelOf(*made.decoder);
    return made;
}

/// Its encoder stays as it is, so that what that makes serves both models.
std::shared_ptr<const Decoder> DecodePair::quantizedCopy() const {
    const auto start = Clock::now();
    QuantizeChoice choice = m_choice.copy;
    choice.encoder = false;
    QuantizedModel made =
        quantizeModel(m_context, *m_big, choice, [this](double, const std::string&) {
            m_context.run.checkpoint();
        });
    m_context.run.log(
        LogLevel::Info, nameOf(Drafter::Copy) + " was made in " +
                            std::to_string(std::lround(1e3 * secondsSince(start))) + " ms");
    if (made.translator) {
        return std::move(made.translator);
    }
    return std::move(made.model);
}

std::unique_ptr<ReadText> DecodePair::read(const PairRequest& request, const Strategy& strategy) {
    auto text = std::make_unique<ReadText>();
    text->request = decodeRequest(*m_big, request.text, request.maxNew);
    text->request.seed = request.seed;
    Draftsman* const little = usesLittle(strategy.options) ? &draftsman(strategy.drafter) : nullptr;
    const Encoder* const encoder = m_big->encoder();
    if (encoder == nullptr) {
        return text;
    }
    const auto read = [&](const Encoder& with, std::int64_t& nanoseconds) {
        const std::int64_t start = steadyNanoseconds();
        EncoderOutput output = with.encode(m_context.exec, text->request.lookup);
        m_context.exec.synchronize();
        nanoseconds = steadyNanoseconds() - start;
        return output;
    };
    const bool shared = little != nullptr && little->encoder == encoder;
    if (little != nullptr && !shared) {
        text->little = read(*little->encoder, text->littleNs);
        text->request.littleEncoder = &*text->little;
    }
    if (usesBig(strategy.options) || shared) {
        text->big = read(*encoder, text->bigNs);
        text->request.bigEncoder = &*text->big;
    }
    if (shared) { // one encoder with the same weights: a source is read once for both
        text->request.littleEncoder = text->request.bigEncoder;
    }
    return text;
}

PairText DecodePair::decode(
    const PairRequest& request, const Strategy& strategy,
    const std::function<void(const DecodeEvent&)>& onEvent) {
    const auto text = read(request, strategy);
    DecodeSettings settings{.options = strategy.options};
    if (onEvent) {
        settings.onEvent = [&onEvent](std::size_t, const DecodeEvent& event) { onEvent(event); };
    }
    const DecodeModels used = usesLittle(strategy.options)
                                  ? models(strategy.drafter)
                                  : DecodeModels{nullptr, m_bigModel.get()};
    PairText result;
    result.decoded =
        std::move(decodeTexts(m_context.run, used, std::span(&text->request, 1), settings).front());
    addEncoders(result.decoded.log, text->littleNs, text->bigNs);
    result.encoderNs = text->littleNs + text->bigNs;
    result.decoded.wallNs += result.encoderNs;
    result.text = newText(tokenizer(), result.decoded, text->request.ends);
    return result;
}

} // namespace lathe
