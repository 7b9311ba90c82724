// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "engine/core/study_info.h"
#include "experiments/decode_pair.h"

#include <filesystem>
#include <string>
#include <vector>

/// Parameters and metrics that the studies of decoding with two models share.
namespace lathe {

/// "big", "little", "bild", "lossless", "lookup", "self", "early-exit".
std::vector<std::string> strategyNames();
/// `drafter`: who drafts at the thresholds, by the strategy that has it: "bild", "self" or
/// "early-exit".
ParamSpec drafterParam();

/// `max_new`: new tokens at most.
ParamSpec maxNewParam();

/// `big`, `little`, `preset`, `alpha_fb`, `alpha_rb`, `max_run`, `metric`, `overshoot_guard`,
/// `draft_length`, `self_method`, `self_bits`, `exit_layer`, `max_new`, `temperature`, `top_k`,
/// `top_p`, `repetition_penalty`, `ban`: see strategyFrom and pairChoiceFrom. With `sweep`, both
/// thresholds take several values.
std::vector<ParamSpec> strategyParams(bool sweep = false);

/// Of both models; greedy where the temperature is 0. @throws InputError for options out of range
SamplingOptions samplingFrom(const Json& params);
/// strict, paper or reference; else it is a file's name.
bool isPresetName(const std::string& name);
/// What the tuned preset of a pair is called; it lies in the folder of the little model.
inline constexpr const char* kTunedPreset = "tuned";
/// The file of the tuned preset where the params name that one: for Study::inputFiles.
/// @throws InputError when the pair has none.
std::vector<std::filesystem::path> presetFiles(const Json& params);
/// The preset that the params name, by name or as a file, with the thresholds that they give.
/// @throws as presetFiles; FormatError for a damaged file; InputError for none, or for a tuned
/// preset that was
///         made for other models.
BildOptions bildFrom(const Json& params);
/// A strategy by its name with the params' options.
/// @throws InputError for options out of range, or a strategy that needs --little without one.
Strategy strategyFrom(const std::string& name, const Json& params);
/// The models of the params, and what can be made of the big one.
PairChoice pairChoiceFrom(const Json& params);

/// tokens, fallback_rate, rollback_rate, big_calls, big_rows, small_steps, drafts, agreed,
/// tolerated, rollbacks, flushed, discarded; see putCounts.
std::vector<MetricInfo> countMetrics();
struct DecodeCounts;
void putCounts(Json& metrics, const DecodeCounts& counts);

} // namespace lathe
