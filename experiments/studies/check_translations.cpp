// SPDX-License-Identifier: Apache-2.0
// The part of model.check that is about encoder-decoders.
#include "engine/core/check.h"
#include "experiments/studies/reference_check.h"

#include <algorithm>
#include <cstring>
#include <limits>

namespace lathe {

namespace {

/// One text of the reference.
class Translation {
public:
    Translation(const SafetensorsFile& file, std::size_t index)
        : m_file(file), m_at(std::to_string(index) + ".") {
        for (const char* name : {"input_ids", "encoder_output", "greedy_ids", "logits"}) {
            if (!file.contains(m_at + name)) {
                throw FormatError(
                    file.path().string() + ": tensor '" + m_at + name + "' is missing");
            }
        }
    }

    std::vector<TokenId> source() const { return readIds(m_file, m_at + "input_ids"); }
    /// With the start token.
    std::vector<TokenId> target() const {
        std::vector<TokenId> ids = readIds(m_file, m_at + "greedy_ids");
        if (ids.size() < 2 || static_cast<std::int64_t>(ids.size()) > kT5Positions) {
            throw FormatError(
                m_file.path().string() + ": '" + m_at + "greedy_ids' has " +
                std::to_string(ids.size()) + " ids, it must have 2 to " +
                std::to_string(kT5Positions));
        }
        return ids;
    }
    Json compare(const char* name, const HostRows& rows, double bound) const {
        return compareRows(m_file, m_at + name, rows, bound);
    }

private:
    const SafetensorsFile& m_file;
    std::string m_at;
};

/// A source and the tokens that follow from it, with the logits of one token a call.
struct Steps {
    EncoderOutput encoded;
    std::vector<TokenId> fed;
    HostRows logits;
};

bool sameBits(std::span<const float> a, std::span<const float> b) {
    return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size_bytes()) == 0;
}

/// Do calls of several tokens, of one text or of all at once, give the bits of one token a call?
bool rowsAreAlone(StudyContext& context, const T5Model& model, std::span<const Steps> texts) {
    std::vector<std::unique_ptr<DecoderState>> states;
    std::size_t shortest = std::numeric_limits<std::size_t>::max();
    for (const Steps& text : texts) {
        const std::span<const TokenId> ids(text.fed);
        DecoderState& state = *states.emplace_back(
            model.begin(context.exec, static_cast<std::int64_t>(ids.size()), &text.encoded));
        for (std::size_t chunk = 2; chunk <= 12; ++chunk) {
            HostRows rows;
            for (std::size_t from = 0; from < ids.size(); from += chunk) {
                const DecodeSlot slot{state, ids.subspan(from, std::min(chunk, ids.size() - from))};
                appendRows(rows, toHost(context.exec, model.forward(context.exec, {&slot, 1})));
            }
            if (!sameBits(rows.values, text.logits.values)) {
                return false;
            }
            state.truncate(0);
        }
        shortest = std::min(shortest, ids.size());
    }
    for (std::size_t step = 0; step < shortest; ++step) {
        std::vector<DecodeSlot> slots;
        for (std::size_t i = 0; i < texts.size(); ++i) {
            slots.push_back({*states[i], std::span(texts[i].fed).subspan(step, 1)});
        }
        const HostRows rows = toHost(context.exec, model.forward(context.exec, slots));
        const auto columns = static_cast<std::size_t>(rows.columns);
        for (std::size_t i = 0; i < texts.size(); ++i) {
            if (!sameBits(
                    std::span(rows.values).subspan(i * columns, columns),
                    std::span(texts[i].logits.values).subspan(step * columns, columns))) {
                return false;
            }
        }
    }
    return true;
}

} // namespace

void checkTranslations(
    const Spec& spec, StudyContext& context, const LoadedModel& model,
    const SafetensorsFile& reference, double bound, Json& metrics) {
    const T5Model& translator = *model.translator;
    Json outputs = Json::array();
    std::vector<TokenId> allMade;
    std::vector<TokenId> allWanted;
    std::vector<Steps> texts;
    for (std::size_t k = 0; k == 0 || reference.contains(std::to_string(k) + ".input_ids"); ++k) {
        const Translation text(reference, k);
        context.run.progress(0.5, "comparing text " + std::to_string(k));
        EncoderOutput encoded = translator.encode(context.exec, text.source());
        outputs.push_back(
            text.compare("encoder_output", toHost(context.exec, encoded.hidden.view()), bound));

        const std::vector<TokenId> wanted = text.target();
        const auto fed = std::span(wanted).first(wanted.size() - 1);
        const auto state =
            translator.begin(context.exec, static_cast<std::int64_t>(fed.size()), &encoded);
        const DecodeSlot slot{*state, fed};
        const HostRows logits = toHost(context.exec, translator.forward(context.exec, {&slot, 1}));
        outputs.push_back(text.compare("logits", logits, bound));
        HostRows byStep = logitsByStep(context, translator, &encoded, fed);
        Json steps = text.compare("logits", byStep, bound);
        steps["name"] = steps.at("name").get<std::string>() + ", one token a step";
        outputs.push_back(std::move(steps));

        const std::vector<TokenId> made = greedyIds(
            spec, context, translator, &encoded, {translator.startToken()}, wanted.size());
        allMade.insert(allMade.end(), made.begin(), made.end());
        allWanted.insert(allWanted.end(), wanted.begin(), wanted.end());
        texts.push_back({std::move(encoded), {fed.begin(), fed.end()}, std::move(byStep)});
    }
    summarize(std::move(outputs), metrics);
    compareGreedy(allMade, allWanted, metrics);
    context.run.progress(0.9, "comparing rows of calls");
    const bool alone = rowsAreAlone(context, translator, texts);
    metrics["rows_equal"] = alone;
    metrics["pass"] = metrics.at("pass").get<bool>() && alone;
}

} // namespace lathe
