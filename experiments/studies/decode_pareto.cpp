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
        info.params, {{.name = "beside",
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

Json axis(const Spec& spec, const std::string& name, const Json& usual) {
    if (const auto swept = spec.sweep.find(name); swept != spec.sweep.end()) {
        return *swept;
    }
    const auto given = spec.params.find(name);
    return given == spec.params.end() || given->is_null() ? usual : Json::array({*given});
}

std::string nameOf(const Json& fallback, const Json& rollback) {
    return valueText(fallback) + " " + valueText(rollback);
}

double qualityOf(const Json& metrics) {
    const Json& bleu = metrics.at("bleu");
    return bleu.is_null() ? metrics.at("agreement").get<double>() : bleu.get<double>();
}

class DecodePareto : public Study {
public:
    const StudyInfo& info() const override { return m_info; }
    std::vector<Json> cells(const Spec& spec) const override;
    Json run(const Spec& spec, StudyContext& context) const override;

private:
    StudyInfo m_info = describeStudy();
};

/// Each knows all of them, since they take turns.
std::vector<Json> DecodePareto::cells(const Spec& spec) const {
    std::vector<Json> cells;
    Json grid = Json::array();
    for (const Json& fallback : axis(spec, "alpha_fb", kFallbacks)) {
        for (const Json& rollback : axis(spec, "alpha_rb", kRollbacks)) {
            Json cell = spec.params;
            cell["alpha_fb"] = fallback;
            cell["alpha_rb"] = rollback;
            grid.push_back({fallback, rollback});
            cells.push_back(std::move(cell));
        }
    }
    for (Json& cell : cells) {
        cell["beside"] = dumpJson(grid);
    }
    return cells;
}

ComparedTexts compareGrid(const Spec& spec, StudyContext& context) {
    std::vector<NamedStrategy> strategies;
    for (const Json& pair : parseJson(textOf(spec.params, "beside"), "beside")) {
        Json params = spec.params;
        params["alpha_fb"] = pair.at(0);
        params["alpha_rb"] = pair.at(1);
        strategies.emplace_back(nameOf(pair.at(0), pair.at(1)), strategyFrom("bild", params));
    }
    ParallelText pairs = pairsFrom(spec.params);
    DecodePair pair(context, textOf(spec.params, "big"), textOf(spec.params, "little"));
    return compareStrategies(
        context, pair, std::move(pairs), samplingFrom(spec.params), strategies,
        comparisonSettings(spec));
}

/// Metrics of all strategies, the big model alone first.
std::vector<Json> metricsOfAll(const Spec& spec, StudyContext& context) {
    const ComparedTexts compared = compareGrid(spec, context);
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
    const std::string name = nameOf(spec.params.at("alpha_fb"), spec.params.at("alpha_rb"));
    Json metrics = *std::ranges::find_if(
        all, [&](const Json& one) { return one.at("name").get<std::string>() == name; });
    metrics.erase("name");
    return metrics;
}

} // namespace

std::unique_ptr<Study> makeDecodePareto() { return std::make_unique<DecodePareto>(); }

} // namespace lathe
