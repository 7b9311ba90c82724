// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "engine/core/study_info.h"

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

/// Parameters and metrics that several studies share, declared once.
namespace lathe {

/// `model`, required.
ParamSpec modelParam();
/// `clean`: how a text is read.
ParamSpec cleanParam();
/// `text`, `clean`, `window`, `stride`, `bos`, `tail`, `max_windows`, `draw`, `draw_seed`: see
/// scoringTextFrom.
std::vector<ParamSpec> scoringParams();
/// `method`, `bits`, `group`, `sparsity`, `sensitive`; with `sweep`, the first four take
/// several values and `method` may be a file.
std::vector<ParamSpec> quantizerParams(bool sweep);
/// `calibration`, `calibration_clean`, `calibration_samples`, `calibration_length`: the text of
/// sensitivities.
std::vector<ParamSpec> calibrationParams();
/// perplexity, bits_per_byte (with bounds), nll, tokens, windows, protocol.
std::vector<MetricInfo> languageMetrics();

/// kl_mean (with bounds), kl_median, kl_p99, kl_p999; see putDistances.
std::vector<MetricInfo> divergenceMetrics();
/// kl_windows, token_windows.
std::vector<MetricInfo> windowMetrics();
/// top1_agreement, with bounds.
std::vector<MetricInfo> agreementMetrics();

/// gb_per_s, copy_gb_per_s, share_of_copy: what a benchmark moves against what a copy moves.
std::vector<MetricInfo> trafficMetrics();

/// The value of `group` as a number: texts are those of the declaration, numbers pass through.
std::int64_t groupSize(const Json& value);
/// A text parameter, empty when it was not given.
std::string textOf(const Json& params, const std::string& name);

/// Nothing of the user is ever overwritten. @throws InputError naming --out when `folder` exists
/// and is not an empty folder.
void requireFree(const std::filesystem::path& folder);

/// The file that a parameter names, absolute; empty when it names none. Nothing of the user is ever
/// overwritten. @throws InputError when it exists or is to be in no folder; known before the work
/// is done.
std::filesystem::path freeFile(const Json& params, const std::string& name = "out");

/// Writes a file that appears whole or not at all. @throws InputError when it cannot be written.
void writeWhole(const std::filesystem::path& path, const std::string& content);

/// The items of "a,b,c". None of an empty text.
std::vector<std::string> listItems(const std::string& list);

/// Appends `more` to `list`.
template <class T>
void append(std::vector<T>& list, std::vector<T> more) {
    for (T& entry : more) {
        list.push_back(std::move(entry));
    }
}

} // namespace lathe
