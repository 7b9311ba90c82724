// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "experiments/model_cache.h"
#include "experiments/study.h"

#include <filesystem>
#include <functional>
#include <string>
#include <vector>

/// The text on which sensitivities are computed.
namespace lathe {

struct CalibrationChoice {
    std::string text{};         ///< a file; empty: what the model itself writes
    std::string clean = "none"; ///< as for scored texts
    int samples = 100;          ///< as the paper has it: 10 leave more noise than weighting gains
    std::int64_t length = 0;    ///< ids per sample; 0: the window that the model was trained with
    std::uint64_t seed = 1;
};

struct CalibrationText {
    std::vector<std::vector<TokenId>> samples; ///< all of `length` ids
    std::int64_t length = 0;
    std::string name; ///< of the file, or "model"
    std::string hash; ///< of the file's content, or of the ids
};

/// Share that is done and what is worked on.
using CalibrationProgress = std::function<void(double share, const std::string& what)>;

/// Random windows of a file, or sequences that the model samples at temperature 1 from its
/// beginning-of-text token: labels drawn from the model are those of the Fisher information itself.
/// The same choice gives the same ids. What a model wrote is kept in the cache folder.
/// @throws InputError when the file is too short, the model has no such token, or a length is not
///         possible.
CalibrationText calibrationText(
    StudyContext& context, const LoadedModel& model, const CalibrationChoice& choice,
    const CalibrationProgress& onProgress);

/// Names what is computed from a model's gradients on a text: equal for equal results, up to the
/// number of threads. @param version of what is stored
std::string resultKey(
    const LoadedModel& model, const CalibrationText& text, Target target,
    const std::string& version);

/// @throws InputError when both files have the same content: a model that is calibrated on what it
///         is then scored on would look better than it is.
void requireDifferentText(
    const std::filesystem::path& calibration, const std::filesystem::path& evaluation);

/// The same of the files that the parameters `calibration` and `text` name; without a calibration
/// file there is nothing to refuse, without `text` the bundled one is scored.
void requireOtherText(const Json& params);

} // namespace lathe
