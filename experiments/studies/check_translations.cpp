// SPDX-License-Identifier: Apache-2.0
// The part of model.check that is about encoder-decoders.
#include "engine/core/check.h"
#include "experiments/studies/reference_check.h"

#include <algorithm>

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

} // namespace

void checkTranslations(
    const Spec& spec, StudyContext& context, const LoadedModel& model,
    const SafetensorsFile& reference, double bound, Json& metrics) {
    const T5Model& translator = *model.translator;
    Json outputs = Json::array();
    std::vector<TokenId> allMade;
    std::vector<TokenId> allWanted;
    for (std::size_t k = 0; k == 0 || reference.contains(std::to_string(k) + ".input_ids"); ++k) {
        const Translation text(reference, k);
        context.run.progress(0.5, "comparing text " + std::to_string(k));
        const EncoderOutput encoded = translator.encode(context.exec, text.source());
        outputs.push_back(
            text.compare("encoder_output", toHost(context.exec, encoded.hidden.view()), bound));

        const std::vector<TokenId> wanted = text.target();
        const auto fed = std::span(wanted).first(wanted.size() - 1);
        const auto state =
            translator.begin(context.exec, static_cast<std::int64_t>(fed.size()), &encoded);
        const DecodeSlot slot{*state, fed};
        const HostRows logits = toHost(context.exec, translator.forward(context.exec, {&slot, 1}));
        outputs.push_back(text.compare("logits", logits, bound));
        Json steps =
            text.compare("logits", logitsByStep(context, translator, &encoded, fed), bound);
        steps["name"] = steps.at("name").get<std::string>() + ", one token a step";
        outputs.push_back(std::move(steps));

        const std::vector<TokenId> made = greedyIds(
            spec, context, translator, &encoded, {translator.startToken()}, wanted.size());
        allMade.insert(allMade.end(), made.begin(), made.end());
        allWanted.insert(allWanted.end(), wanted.begin(), wanted.end());
    }
    summarize(std::move(outputs), metrics);
    compareGreedy(allMade, allWanted, metrics);
}

} // namespace lathe
