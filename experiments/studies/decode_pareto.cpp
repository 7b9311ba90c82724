// SPDX-License-Identifier: Apache-2.0
#include "experiments/strategy_comparison.h"
#include "experiments/studies/decode_params.h"
#include "experiments/studies/factories.h"
#include "experiments/studies/params.h"

#include <algorithm>

namespace lathe {

namespace {

/// Where the paper looks (section 4.1), for whoever names no thresholds.
const Json kFallbacks{0.3, 0.5, 0.6, 0.7, 0.8, 0.9};
const Json kRollbacks{1.0, 2.0, 3.0, 5.0};

StudyInfo describeStudy() {
    StudyInfo info{
        .id = "decode.pareto",
        .title = "Quality against time over thresholds",
        .summary = "Decodes a set of texts at every pair of fallback and rollback thresholds, in "
                   "turn with the big model alone",
        .paper = "Big Little Decoder (arXiv 2302.07863), figure 5",
        .params = pairParams()};
    append(info.params, strategyParams(true));
    append<ParamSpec>(
        info.params, {drafterParam(),
                      {.name = "beside",
                       .kind = ParamKind::Text,
                       .defaultValue = "",
                       .help = "All pairs of thresholds; filled in from --alpha-fb and --alpha-rb",
                       .advanced = true}});
    info.metrics = comparisonMetrics();
    append<MetricInfo>(
        info.metrics, {{"big_bleu", "BLEU of the big model alone", "", 0, {}},
                       {"big_ms_per_token", "Time per token of the big model alone", "ms", 0, {}},
                       {"on_front", "No pair is both faster and better", "", 0,
                        "Better by BLEU, by agreement where there are no references"}});
    return info;
}

class DecodePareto : public Study {
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

/// Each knows all of them, since they take turns.
std::vector<Json> DecodePareto::cells(const Spec& spec) const {
    Spec full = spec;
    for (const auto& [name, usual] :
         {std::pair{"alpha_fb", kFallbacks}, {"alpha_rb", kRollbacks}}) {
        if (!full.sweep.contains(name) && full.params.at(name).is_null()) {
            full.sweep[name] = usual;
        }
    }
    std::vector<Json> cells = Study::cells(full);
    Json grid = Json::array();
    for (const Json& cell : cells) {
        grid.push_back({cell.at("alpha_fb"), cell.at("alpha_rb")});
    }
    for (Json& cell : cells) {
        cell["beside"] = dumpJson(grid);
    }
    return cells;
}

/// Metrics of all strategies, the big model alone first.
std::vector<Json> metricsOfAll(const Spec& spec, StudyContext& context) {
    const Strategy base = strategyFrom(textOf(spec.params, "drafter"), spec.params);
    std::vector<NamedStrategy> strategies;
    for (const Json& pair : parseJson(textOf(spec.params, "beside"), "beside")) {
        strategies.push_back(
            thresholdStrategy(base, pair.at(0).get<double>(), pair.at(1).get<double>()));
    }
    const ComparedTexts compared = compareStrategies(spec, context, strategies);
    std::vector<Json> all;
    for (const StrategyTexts& texts : compared.strategies) {
        Json& metrics = all.emplace_back(comparisonMetricsOf(compared, texts));
        metrics["name"] = texts.name;
        metrics["big_bleu"] = all.front().at("bleu");
        metrics["big_ms_per_token"] = all.front().at("ms_per_token");
    }
    for (Json& metrics : all) {
        metrics["on_front"] = std::ranges::none_of(all, [&](const Json& other) {
            return qualityOf(other) > qualityOf(metrics) &&
                   other.at("speedup").get<double>() > metrics.at("speedup").get<double>();
        });
    }
    return all;
}

Json DecodePareto::run(const Spec& spec, StudyContext& context) const {
    Json shared = spec.params;
    shared.erase("alpha_fb");
    shared.erase("alpha_rb");
    const auto& all = context.cache.get<std::vector<Json>>(
        "pareto " + dumpJson(shared), [&] { return metricsOfAll(spec, context); });
    const std::string name = thresholdName(
        spec.params.at("alpha_fb").get<double>(), spec.params.at("alpha_rb").get<double>());
    Json metrics = *std::ranges::find_if(
        all, [&](const Json& one) { return one.at("name").get<std::string>() == name; });
    metrics.erase("name");
    return metrics;
}

} // namespace

std::unique_ptr<Study> makeDecodePareto() { return std::make_unique<DecodePareto>(); }

} // namespace lathe
