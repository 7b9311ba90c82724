// SPDX-License-Identifier: Apache-2.0
#include "experiments/strategy_comparison.h"

#include "engine/core/check.h"
#include "engine/decode/decode_cost.h"
#include "engine/text/translation_metrics.h"
#include "experiments/metrics.h"
#include "experiments/studies/decode_params.h"
#include "experiments/studies/params.h"
#include "experiments/text_generation.h"

#include <algorithm>

namespace lathe {

namespace {

ParallelText pairsFrom(const Json& params) {
    const std::string source = textOf(params, "source"), reference = textOf(params, "reference");
    LATHE_CHECK(
        !source.empty() || reference.empty(), "--reference needs a --source that it translates");
    ParallelText pairs = source.empty() ? bundledCaptions() : readParallelText(source, reference);
    const auto most = params.at("max_texts").get<std::size_t>();
    if (most > 0 && most < pairs.sources.size()) {
        pairs.sources.resize(most);
        pairs.references.resize(pairs.hasReferences() ? most : 0);
    }
    return pairs;
}

class Comparer {
public:
    Comparer(
        const Spec& spec, StudyContext& context, ParallelText pairs,
        const std::vector<NamedStrategy>& strategies)
        : m_spec(spec), m_context(context), m_pair(context, pairChoiceFrom(spec.params)) {
        m_result.pairs = std::move(pairs);
        m_result.models = {{"big", m_pair.big().name}, {"big_hash", m_pair.big().hash}};
        if (const LoadedModel* little = m_pair.little()) {
            m_result.models["little"] = little->name;
            m_result.models["little_hash"] = little->hash;
        }
        add({kBigAlone, {bigAlone(samplingFrom(spec.params))}});
        for (const NamedStrategy& strategy : strategies) {
            if (strategy.first != kBigAlone) {
                add(strategy);
            }
        }
    }

    ComparedTexts run() {
        for (const Strategy& strategy : m_strategies) {
            decode(0, strategy);
        }
        for (int pass = 0; pass < passes(); ++pass) {
            for (StrategyTexts& texts : m_result.strategies) {
                texts.texts.clear();
                texts.ids.clear();
                texts.logs.clear();
                texts.counts = {};
                texts.seconds.push_back(0.0);
                texts.encoderSeconds.push_back(0.0);
            }
            for (std::size_t i = 0; i < m_result.pairs.sources.size(); ++i) {
                showProgress(pass, i);
                for (std::size_t s = 0; s < m_strategies.size(); ++s) {
                    keep(m_result.strategies[s], decode(i, m_strategies[s]));
                }
            }
        }
        return std::move(m_result);
    }

private:
    int passes() const { return std::max(1, m_spec.repeat); }

    void add(const NamedStrategy& strategy) {
        m_result.strategies.emplace_back().name = strategy.first;
        m_strategies.push_back(strategy.second);
    }

    void showProgress(int pass, std::size_t text) {
        const std::size_t all = m_result.pairs.sources.size();
        const double share = static_cast<double>(text) / static_cast<double>(all);
        m_context.run.progress(
            (pass + share) / passes(),
            "text " + std::to_string(text + 1) + " of " + std::to_string(all));
    }

    PairText decode(std::size_t i, const Strategy& strategy) {
        try {
            return m_pair.decode(
                {.text = m_result.pairs.sources[i],
                 .maxNew = m_spec.params.at("max_new").get<int>(),
                 .seed = m_spec.seed + i},
                strategy);
        } catch (const InputError& error) {
            throw InputError("text " + std::to_string(i + 1) + ": " + error.what());
        }
    }

    static void keep(StrategyTexts& texts, PairText decoded) {
        const std::span<const TokenId> ids = decoded.newIds();
        texts.ids.emplace_back(ids.begin(), ids.end());
        texts.texts.push_back(std::move(decoded.text));
        texts.counts += replay(decoded.decoded.log).counts;
        texts.seconds.back() += static_cast<double>(decoded.decoded.wallNs) / 1e9;
        texts.encoderSeconds.back() += static_cast<double>(decoded.encoderNs) / 1e9;
        texts.logs.push_back(std::move(decoded.decoded.log));
    }

    const Spec& m_spec;
    StudyContext& m_context;
    DecodePair m_pair;
    std::vector<Strategy> m_strategies; ///< of m_result.strategies
    ComparedTexts m_result;
};

/// The big model alone against this strategy at the measured times of calls.
double predictedSpeedup(const StrategyTexts& texts, const StrategyTexts& big) {
    std::vector<DecodeLog> all = texts.logs;
    all.insert(all.end(), big.logs.begin(), big.logs.end());
    const CallCosts costs = measuredCosts(all);
    double alone = 0.0, together = 0.0;
    for (std::size_t i = 0; i < texts.logs.size(); ++i) {
        alone += modelledMs(big.logs[i], costs);
        together += modelledMs(texts.logs[i], costs);
    }
    return alone / together;
}

void putQuality(Json& metrics, const StrategyTexts& texts, const ParallelText& pairs) {
    for (const char* name : {"bleu", "chrf", "rouge_lsum", "bleu_signature"}) {
        metrics[name] = nullptr;
    }
    if (!pairs.hasReferences()) {
        return;
    }
    const std::vector<std::string>& references = pairs.references;
    metrics["bleu"] = corpusBleu(texts.texts, references).score;
    metrics["chrf"] = corpusChrf(texts.texts, references);
    metrics["rouge_lsum"] = rougeLsum(texts.texts, references);
    metrics["bleu_signature"] = bleuSignature();
}

} // namespace

std::size_t StrategyTexts::tokens() const {
    std::size_t all = 0;
    for (const auto& one : ids) {
        all += one.size();
    }
    return all;
}

const StrategyTexts& ComparedTexts::at(const std::string& name) const {
    const auto found = std::ranges::find(strategies, name, &StrategyTexts::name);
    if (found == strategies.end()) {
        throw InternalError("the strategy " + name + " was not compared");
    }
    return *found;
}

std::string thresholdName(double fallback, double rollback) {
    return valueText(fallback) + " " + valueText(rollback);
}

NamedStrategy thresholdStrategy(Strategy base, double fallback, double rollback) {
    base.options.bild.fallback = fallback;
    base.options.bild.rollback = rollback;
    return {thresholdName(fallback, rollback), base};
}

/// Files are read before models are.
ComparedTexts compareStrategies(
    const Spec& spec, StudyContext& context, const std::vector<NamedStrategy>& strategies) {
    return Comparer(spec, context, pairsFrom(spec.params), strategies).run();
}

double agreementOf(const StrategyTexts& texts, const StrategyTexts& other) {
    double same = 0.0, all = 0.0;
    for (std::size_t i = 0; i < texts.ids.size(); ++i) {
        const auto longer = static_cast<double>(std::max(texts.ids[i].size(), other.ids[i].size()));
        same += longer * agreement<TokenId>(texts.ids[i], other.ids[i]);
        all += longer;
    }
    return all > 0.0 ? 100.0 * same / all : 100.0;
}

std::vector<MetricInfo> comparisonMetrics() {
    std::vector<MetricInfo> metrics{
        {"bleu", "BLEU", "", 1, {}},
        {"chrf", "chrF", "", 1, {}},
        {"rouge_lsum", "ROUGE-Lsum", "", 1, {}},
        {"agreement", "Agreement with the big model alone", "%", 1,
         "Tokens that are the same at the same position"},
        {"ms_per_token", "Time per token", "ms", -1, "With encoders"},
        {"decode_ms_per_token", "Decoding time per token", "ms", -1, "Without encoders"},
        {"speedup", "Speed-up", "", 1,
         "Time of the big model alone over this one's, with encoders"},
        {"decode_speedup", "Speed-up of decoding", "", 1, "Without encoders"},
        {"predicted_speedup", "Predicted speed-up", "", 0,
         "From the times of calls and their numbers"}};
    append(metrics, countMetrics());
    append<MetricInfo>(
        metrics, {{"texts", "Texts", "", 0, {}},
                  {"tokens", "New tokens", "token", 0, {}},
                  {"seconds", "Time", "s", -1, "Of all texts, with encoders"},
                  {"encoder_seconds", "Time of the encoders", "s", -1, {}},
                  {"bleu_signature", "BLEU settings", "", 0, {}},
                  {"output_hash", "Hash of the new ids", "", 0, {}}});
    return metrics;
}

Json comparisonMetricsOf(const ComparedTexts& compared, const StrategyTexts& texts) {
    const StrategyTexts& big = compared.big();
    const double seconds = median(texts.seconds), encoders = median(texts.encoderSeconds);
    const double bigSeconds = median(big.seconds), bigEncoders = median(big.encoderSeconds);
    const auto tokens = static_cast<double>(texts.tokens());
    Json metrics{
        {"agreement", agreementOf(texts, big)},
        {"ms_per_token", jsonNumber(1e3 * seconds / tokens)},
        {"decode_ms_per_token", jsonNumber(1e3 * (seconds - encoders) / tokens)},
        {"speedup", bigSeconds / seconds},
        {"decode_speedup", (bigSeconds - bigEncoders) / (seconds - encoders)},
        {"predicted_speedup", jsonNumber(predictedSpeedup(texts, big))},
        {"texts", texts.texts.size()},
        {"tokens", texts.tokens()},
        {"seconds", seconds},
        {"encoder_seconds", encoders}};
    putQuality(metrics, texts, compared.pairs);
    putCounts(metrics, texts.counts);
    std::vector<TokenId> ids;
    for (const auto& one : texts.ids) {
        ids.insert(ids.end(), one.begin(), one.end());
    }
    metrics["output_hash"] = hashIds(ids);
    return metrics;
}

double qualityOf(const Json& comparisonMetrics) {
    const Json& bleu = comparisonMetrics.at("bleu");
    return bleu.is_null() ? comparisonMetrics.at("agreement").get<double>() : bleu.get<double>();
}

std::vector<ParamSpec> pairParams() {
    return {
        {.name = "source",
         .kind = ParamKind::File,
         .help = "Texts, one a line; or pairs as .tsv or .jsonl (src, tgt). Without it, the "
                 "bundled captions"},
        {.name = "reference",
         .kind = ParamKind::File,
         .help = "What they should become, one a line; needed for BLEU, chrF and ROUGE"},
        {.name = "max_texts",
         .kind = ParamKind::Integer,
         .defaultValue = 0,
         .help = "First texts only; 0: all",
         .minimum = 0}};
}

} // namespace lathe
