// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "engine/core/study_info.h"
#include "engine/decode/bild.h"

#include <string>
#include <vector>

/// Parameters and metrics that the studies of decoding with two models share.
namespace lathe {

/// "big", "little", "bild", "lossless", "lookup".
std::vector<std::string> strategyNames();

/// `max_new`: new tokens at most.
ParamSpec maxNewParam();

/// `big`, `little`, `preset`, `alpha_fb`, `alpha_rb`, `max_run`, `metric`, `overshoot_guard`,
/// `draft_length`, `max_new`, `temperature`, `top_k`, `top_p`: see strategyFrom. With `sweep`, both
/// thresholds take several values.
std::vector<ParamSpec> strategyParams(bool sweep = false);

/// Of both models; greedy where the temperature is 0. @throws InputError for options out of range
SamplingOptions samplingFrom(const Json& params);
/// strict, paper or reference; else it is a file's name.
bool isPresetName(const std::string& name);
/// The preset that the params name, by name or as a file, with the thresholds that they give.
/// @throws InputError for neither a preset nor a file; FormatError for a damaged file.
BildOptions bildFrom(const Json& params);
/// A strategy by its name with the params' options. @throws InputError for options out of range.
DraftOptions strategyFrom(const std::string& name, const Json& params);

/// tokens, fallback_rate, rollback_rate, big_calls, big_rows, small_steps, drafts, agreed,
/// tolerated, rollbacks, flushed, discarded; see putCounts.
std::vector<MetricInfo> countMetrics();
struct DecodeCounts;
void putCounts(Json& metrics, const DecodeCounts& counts);

} // namespace lathe
