// SPDX-License-Identifier: Apache-2.0
#include "experiments/strategy_comparison.h"
#include "experiments/studies/decode_params.h"
#include "experiments/studies/factories.h"
#include "experiments/studies/params.h"

#include <algorithm>

namespace lathe {

namespace {

StudyInfo describeStudy() {
    StudyInfo info{
        .id = "decode.compare",
        .title = "Compare decoding strategies",
        .summary = "Decodes a set of texts with every strategy in turn and compares quality and "
                   "time with the big model alone",
        .paper = "Big Little Decoder (arXiv 2302.07863), table 1",
        .params = pairParams()};
    append<ParamSpec>(
        info.params,
        {{.name = "strategy",
          .kind = ParamKind::Choice,
          .defaultValue = "bild",
          .help = "Who writes; each runs in turn with the others and with the big model alone",
          .choices = strategyNames(),
          .flag = "strategies",
          .sweep = true},
         {.name = "beside",
          .kind = ParamKind::Text,
          .defaultValue = "",
          .help = "Strategies that take turns with this one; filled in from --strategies",
          .advanced = true}});
    append(info.params, strategyParams());
    append<ParamSpec>(
        info.params, {{.name = "outputs",
                       .kind = ParamKind::Text,
                       .help = "File for what the strategies wrote, as lines of JSON",
                       .advanced = true}});
    info.metrics = comparisonMetrics();
    return info;
}

void writeOutputs(const ComparedTexts& all, const std::filesystem::path& path) {
    std::string lines;
    for (const StrategyTexts& strategy : all.strategies) {
        for (std::size_t i = 0; i < strategy.texts.size(); ++i) {
            lines += dumpJson(
                         {{"strategy", strategy.name},
                          {"text", i + 1},
                          {"source", all.pairs.sources[i]},
                          {"output", strategy.texts[i]},
                          {"ids", strategy.ids[i]}}) +
                     "\n";
        }
    }
    writeWhole(path, lines);
}

ComparedTexts compareAll(const Spec& spec, StudyContext& context) {
    const std::filesystem::path outputs = freeFile(spec.params, "outputs");
    std::vector<NamedStrategy> strategies;
    for (const std::string& name : listItems(textOf(spec.params, "beside"))) {
        strategies.emplace_back(name, strategyFrom(name, spec.params));
    }
    ComparedTexts all = compareStrategies(spec, context, strategies);
    if (!outputs.empty()) {
        writeOutputs(all, outputs);
    }
    return all;
}

class DecodeCompare : public Study {
public:
    const StudyInfo& info() const override { return m_info; }
    std::vector<Json> cells(const Spec& spec) const override;
    std::vector<std::filesystem::path> inputFiles(const Spec& spec) const override {
        return presetFiles(spec.params);
    }
    Json run(const Spec& spec, StudyContext& context) const override;

private:
    StudyInfo m_info = describeStudy();
};

/// Each knows all of them.
std::vector<Json> DecodeCompare::cells(const Spec& spec) const {
    std::vector<Json> cells = Study::cells(spec);
    std::vector<std::string> names;
    for (const Json& cell : cells) {
        const auto name = cell.at("strategy").get<std::string>();
        if (std::ranges::find(names, name) == names.end()) {
            names.push_back(name);
        }
    }
    std::string beside;
    for (const std::string& name : names) {
        beside += (beside.empty() ? "" : ",") + name;
    }
    for (Json& cell : cells) {
        cell["beside"] = beside;
    }
    return cells;
}

Json DecodeCompare::run(const Spec& spec, StudyContext& context) const {
    Json shared = spec.params;
    shared.erase("strategy");
    const auto& all = context.cache.get<ComparedTexts>(
        "compare " + dumpJson(shared), [&] { return compareAll(spec, context); });
    return comparisonMetricsOf(all, all.at(textOf(spec.params, "strategy")));
}

} // namespace

std::unique_ptr<Study> makeDecodeCompare() { return std::make_unique<DecodeCompare>(); }

} // namespace lathe
