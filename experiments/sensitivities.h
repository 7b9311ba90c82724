// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "engine/quant/sensitivity.h"
#include "experiments/calibration_text.h"

#include <memory>

namespace lathe {

/// Sensitivities and where they came from.
struct FoundSensitivities {
    std::shared_ptr<const Sensitivities> values;
    int computedBlocks = 0; ///< 0: all were in the cache
};

/// The sensitivities of a model on a calibration text, computed or from the cache folder
/// (lathe/sensitivity/<hash of model, ids and version>). Each block is written there as soon as it
/// is done, so that what was cancelled goes on where it stopped; a damaged file is computed again
/// and said in a log line.
/// @param onProgress share and what is worked on; empty: the run's own progress
/// @throws InputError when there is no cache folder, or as calibrationText and
///         computeSensitivities do; Cancelled.
FoundSensitivities findSensitivities(
    StudyContext& context, const LoadedModel& model, const CalibrationChoice& choice,
    const CalibrationProgress& onProgress = {});

/// The values alone.
std::shared_ptr<const Sensitivities> sensitivitiesFor(
    StudyContext& context, const LoadedModel& model, const CalibrationChoice& choice,
    const CalibrationProgress& onProgress = {});

/// What an exported model says of the text that its sensitivities were computed on.
Json originOf(const SensitivityRecord& record);

} // namespace lathe
