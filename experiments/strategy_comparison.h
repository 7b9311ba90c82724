// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "engine/core/study_info.h"
#include "experiments/decode_pair.h"
#include "experiments/parallel_text.h"
#include "experiments/study.h"

#include <string>
#include <utility>
#include <vector>

/// Decoding strategies over a set of texts, in turn.
namespace lathe {

/// What a strategy made of all texts.
struct StrategyTexts {
    std::string name;
    std::vector<std::string> texts;
    std::vector<std::vector<TokenId>> ids; ///< new ones
    std::vector<DecodeLog> logs;           ///< of the last pass
    DecodeCounts counts;
    std::vector<double> seconds, encoderSeconds; ///< of each pass, all texts together

    std::size_t tokens() const;
};

struct ComparedTexts {
    ParallelText pairs;
    Json models; ///< big, big_hash; little, little_hash, where there is one
    std::vector<StrategyTexts> strategies; ///< the big model alone first

    const StrategyTexts& big() const { return strategies.front(); }
    /// @throws InternalError for one that is not there.
    const StrategyTexts& at(const std::string& name) const;
};

using NamedStrategy = std::pair<std::string, Strategy>;

inline constexpr const char* kBigAlone = "big";

/// What strategies of such thresholds are called.
std::string thresholdName(double fallback, double rollback);
/// A pair of thresholds; all else is of `base`.
NamedStrategy thresholdStrategy(Strategy base, double fallback, double rollback);

/// Decodes every text that the params name with the big model alone and with each strategy, text by
/// text in turn, so that what else the machine does falls on all alike, as often as the Spec
/// repeats. Each decodes the first text once before anything is timed. Seeds count up from the
/// Spec's.
/// @param spec with the params of pairParams and strategyParams
/// @throws InputError naming the text that cannot be decoded; Cancelled.
ComparedTexts compareStrategies(
    const Spec& spec, StudyContext& context, const std::vector<NamedStrategy>& strategies);

/// Tokens that are the same at the same position, in percent of the longer texts'.
double agreementOf(const StrategyTexts& texts, const StrategyTexts& other);

/// bleu, chrf, rouge_lsum, agreement, ms_per_token, decode_ms_per_token, speedup, decode_speedup,
/// predicted_speedup, the counts, texts, tokens, seconds, encoder_seconds, bleu_signature,
/// output_hash.
std::vector<MetricInfo> comparisonMetrics();
/// Quality is null without references.
Json comparisonMetricsOf(const ComparedTexts& compared, const StrategyTexts& texts);

/// BLEU; agreement where there are no references.
double qualityOf(const Json& comparisonMetrics);

/// `source`, `reference`, `max_texts`: texts, or else the bundled captions.
std::vector<ParamSpec> pairParams();

} // namespace lathe
