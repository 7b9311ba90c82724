// SPDX-License-Identifier: Apache-2.0
#include "engine/base/random.h"
#include "engine/core/check.h"
#include "engine/text/translation_metrics.h"
#include "experiments/metrics.h"
#include "experiments/strategy_comparison.h"
#include "experiments/studies/decode_params.h"
#include "experiments/studies/factories.h"
#include "experiments/studies/params.h"

#include <algorithm>
#include <charconv>
#include <cmath>

namespace lathe {

namespace {

constexpr int kDraws = 1000; ///< of the bootstrap

StudyInfo describeStudy() {
    StudyInfo info{
        .id = "decode.tune",
        .title = "Best thresholds under a quality budget",
        .summary = "Finds the fastest thresholds whose loss of quality stays within a budget, and "
                   "writes them as a preset",
        .paper = "Big Little Decoder (arXiv 2302.07863)",
        .params = pairParams()};
    append(info.params, strategyParams());
    append<ParamSpec>(
        info.params,
        {drafterParam(),
         {.name = "fallbacks",
          .kind = ParamKind::Text,
          .defaultValue = "0.2,0.3,0.4,0.5,0.6,0.7,0.8,0.9",
          .help = "Values of --alpha-fb to try"},
         {.name = "rollbacks",
          .kind = ParamKind::Text,
          .defaultValue = "1,2,3,4,6,10",
          .help = "Values of --alpha-rb to try"},
         {.name = "budget",
          .kind = ParamKind::Real,
          .defaultValue = 0.5,
          .help = "Loss of BLEU allowed against the big model alone, in points; without "
                  "references, of agreement in percent",
          .minimum = 0.0},
         {.name = "bound",
          .kind = ParamKind::Choice,
          .defaultValue = "upper",
          .help = "What stays within the budget: the upper end of the 95 % interval of the loss, "
                  "so that it holds on other texts, too; the same for all pairs of thresholds at "
                  "once, since the luckiest of many is taken; or the mean loss",
          .choices = {"upper", "simultaneous", "mean"}},
         {.name = "out", .kind = ParamKind::Text, .help = "File for the preset, .json"}});
    info.metrics = {
        {"alpha_fb", "Fallback threshold", "", 0, {}},
        {"alpha_rb", "Rollback threshold", "nat", 0, {}},
        {"loss", "Loss of quality", "", -1, "Points of BLEU, or percent of agreement"},
        {"loss_low", "Loss of quality, low", "", 0, "95 % bootstrap interval over texts"},
        {"loss_high", "Loss of quality, high", "", 0, {}},
        {"loss_bound", "Loss of quality, bound", "", 0, "What stays within the budget"},
        {"big_bleu", "BLEU of the big model alone", "", 0, {}}};
    append(info.metrics, comparisonMetrics());
    append<MetricInfo>(
        info.metrics, {{"candidates", "Candidates", "", 0, "All pairs: loss and speed-up"},
                       {"preset", "Preset", "", 0, "What --out writes"}});
    return info;
}

std::vector<double> numbersFrom(const Json& params, const std::string& name) {
    std::vector<double> numbers;
    const std::string list = textOf(params, name);
    for (const std::string& item : listItems(list)) {
        double value = 0.0;
        const char* const behind = item.data() + item.size();
        const auto [end, error] = std::from_chars(item.data(), behind, value);
        LATHE_CHECK(
            error == std::errc{} && end == behind && value >= 0.0,
            "--" + name + " must be numbers from 0 on, as in 0.5,0.7, not '" + list + "'");
        numbers.push_back(value);
    }
    LATHE_CHECK(!numbers.empty(), "--" + name + " names no number");
    return numbers;
}

struct Candidate {
    NamedStrategy strategy;
    Json metrics{};
    double loss = 0.0;
    std::vector<double> drawn{}; ///< losses of the bootstrap; none without references
    double bound = 0.0;

    const BildOptions& options() const { return strategy.second.options.bild; }
    double speedup() const { return metrics.at("speedup").get<double>(); }
    /// Of the loss; NaN without references.
    Interval interval() const {
        constexpr double kNone = std::numeric_limits<double>::quiet_NaN();
        return drawn.empty() ? Interval{kNone, kNone}
                             : Interval{percentile(drawn, 0.025), percentile(drawn, 0.975)};
    }
    double deviation() const {
        double sum = 0.0;
        for (const double one : drawn) {
            sum += (one - loss) * (one - loss);
        }
        return std::sqrt(sum / static_cast<double>(drawn.size()));
    }
};

std::vector<BleuCounts> countsOf(const StrategyTexts& texts, const ParallelText& pairs) {
    std::vector<BleuCounts> counts;
    counts.reserve(pairs.references.size());
    for (std::size_t i = 0; i < pairs.references.size(); ++i) {
        counts.push_back(bleuCounts(texts.texts[i], pairs.references[i]));
    }
    return counts;
}

/// BLEU of one set of texts minus that of another, over draws of texts with replacement. The same
/// seed draws the same texts. None where there are too few.
std::vector<double>
drawnLosses(std::span<const BleuCounts> mine, std::span<const BleuCounts> big, std::uint64_t seed) {
    const std::size_t count = big.size(); // 0 without references
    if (count < kMinimumWindows) {
        return {};
    }
    Random random(seed);
    std::vector<double> losses;
    losses.reserve(kDraws);
    for (int draw = 0; draw < kDraws; ++draw) {
        BleuCounts mineSum, bigSum;
        for (std::size_t i = 0; i < count; ++i) {
            const std::size_t at = random.below(count);
            mineSum += mine[at];
            bigSum += big[at];
        }
        losses.push_back(bleuOf(bigSum).score - bleuOf(mineSum).score);
    }
    return losses;
}

/// How many deviations all losses stay below at once in 97.5 % of the draws. One interval for each
/// would not do: the fastest pair of many is taken, and among many some were lucky.
double simultaneousFactor(std::span<const Candidate> candidates) {
    std::vector<double> largest(kDraws, 0.0);
    for (const Candidate& one : candidates) {
        const double deviation = one.deviation();
        for (std::size_t draw = 0; draw < largest.size() && deviation > 0.0; ++draw) {
            largest[draw] = std::max(largest[draw], (one.drawn[draw] - one.loss) / deviation);
        }
    }
    return percentile(largest, 0.975);
}

/// Where there are no draws, the bound is the loss.
void boundLosses(std::span<Candidate> candidates, const std::string& bound) {
    const bool drawn = !candidates.front().drawn.empty();
    const double factor = drawn && bound == "simultaneous" ? simultaneousFactor(candidates) : 0.0;
    for (Candidate& one : candidates) {
        one.bound = drawn && bound == "upper" ? one.interval().high
                    : factor > 0.0            ? one.loss + factor * one.deviation()
                                              : one.loss;
    }
}

class DecodeTune : public Study {
public:
    const StudyInfo& info() const override { return m_info; }
    std::vector<std::filesystem::path> inputFiles(const Spec& spec) const override {
        return presetFiles(spec.params);
    }
    Json run(const Spec& spec, StudyContext& context) const override;

private:
    StudyInfo m_info = describeStudy();
};

std::vector<Candidate> candidatesFrom(const Json& params) {
    const Strategy base = strategyFrom(textOf(params, "drafter"), params);
    std::vector<Candidate> candidates;
    for (const double fallback : numbersFrom(params, "fallbacks")) {
        for (const double rollback : numbersFrom(params, "rollbacks")) {
            candidates.push_back({.strategy = thresholdStrategy(base, fallback, rollback)});
        }
    }
    return candidates;
}

Json presetOf(const Spec& spec, const Json& models, const Candidate& best, const Json& metrics) {
    const std::string name = textOf(spec.params, "preset");
    Json provenance{
        {"study", spec.study},
        {"source", textOf(spec.params, "source")},
        {"texts", metrics.at("texts")},
        {"budget", spec.params.at("budget")},
        {"bound", spec.params.at("bound")},
        {"loss", metrics.at("loss")},
        {"loss_high", metrics.at("loss_high")},
        {"loss_bound", metrics.at("loss_bound")},
        {"pairs", metrics.at("candidates").size()},
        {"speedup", metrics.at("speedup")}};
    provenance.update(models);
    return toJson(BildPreset{
        .name = isPresetName(name) ? name : "strict",
        .options = best.options(),
        .provenance = std::move(provenance)});
}

Json DecodeTune::run(const Spec& spec, StudyContext& context) const {
    const Json& params = spec.params;
    const std::filesystem::path out = freeFile(params);
    std::vector<Candidate> candidates = candidatesFrom(params);
    std::vector<NamedStrategy> strategies;
    strategies.reserve(candidates.size());
    for (const Candidate& one : candidates) {
        strategies.push_back(one.strategy);
    }
    const ComparedTexts all = compareStrategies(spec, context, strategies);
    const Json big = comparisonMetricsOf(all, all.big());
    const std::vector<BleuCounts> bigCounts = countsOf(all.big(), all.pairs);
    const auto budget = params.at("budget").get<double>();
    for (Candidate& one : candidates) {
        context.run.checkpoint();
        const StrategyTexts& texts = all.at(one.strategy.first);
        one.metrics = comparisonMetricsOf(all, texts);
        one.loss = qualityOf(big) - qualityOf(one.metrics);
        one.drawn = drawnLosses(countsOf(texts, all.pairs), bigCounts, spec.seed);
    }
    boundLosses(candidates, textOf(params, "bound"));
    const Candidate* best = nullptr;
    Json listed = Json::array();
    for (const Candidate& one : candidates) {
        listed.push_back(
            {{"alpha_fb", one.options().fallback},
             {"alpha_rb", one.options().rollback},
             {"loss", one.loss},
             {"loss_high", jsonNumber(one.interval().high)},
             {"loss_bound", one.bound},
             {"bleu", one.metrics.at("bleu")},
             {"agreement", one.metrics.at("agreement")},
             {"speedup", one.metrics.at("speedup")}});
        if (one.bound <= budget && (best == nullptr || one.speedup() > best->speedup())) {
            best = &one;
        }
    }
    LATHE_CHECK(
        best != nullptr,
        "no pair of thresholds stays within --budget " + valueText(params.at("budget")) +
            "; allow more, choose --bound mean, or try larger --fallbacks or smaller --rollbacks");
    Json metrics = best->metrics;
    metrics["alpha_fb"] = best->options().fallback;
    metrics["alpha_rb"] = best->options().rollback;
    putWithInterval(metrics, "loss", best->loss, best->interval());
    metrics["loss_bound"] = best->bound;
    metrics["big_bleu"] = big.at("bleu");
    metrics["candidates"] = std::move(listed);
    metrics["preset"] = presetOf(spec, all.models, *best, metrics);
    if (!out.empty()) {
        writeWhole(out, metrics.at("preset").dump(2) + "\n");
    }
    return metrics;
}

} // namespace

std::unique_ptr<Study> makeDecodeTune() { return std::make_unique<DecodeTune>(); }

} // namespace lathe
