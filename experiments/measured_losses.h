// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "experiments/error_curves.h"

#include <span>
#include <vector>

/// What quantizing one matrix alone costs a model, measured: the second-order prediction of few
/// bits is off by a factor that differs from matrix to matrix.
namespace lathe {

/// Changes when the same matrix would measure differently.
inline constexpr int kMeasuredLossVersion = 1;
/// Bits at which a matrix is measured, dense; where more are planned, the second order is near.
inline constexpr int kLossBits[] = {1, 2, 3, 4};
/// Samples of the calibration text that are scored.
inline constexpr std::size_t kLossWindows = 8;

/// Losses of one setting of a matrix, in nats per token.
struct MeasuredLoss {
    int bits = 0;
    double predicted = 0.0; ///< half of T * sensitivity * error^2
    double measured = 0.0;  ///< mean KL divergence from the float model
};

/// What a predicted loss of a matrix comes to by its measured ones: the logarithm of measured over
/// predicted is linear in that of the prediction between two of them, and beyond them all it is
/// that of the nearest. Losses that are not above zero tell nothing.
/// @param measured by falling prediction
double correctedLoss(double predicted, std::span<const MeasuredLoss> measured);

struct FoundLosses {
    std::vector<std::vector<MeasuredLoss>> modules; ///< as the curves, each by rising bits
    int computed = 0;                               ///< matrices; 0: all were in the cache
};

/// The losses of a model's matrices on the first samples of its calibration text (never on a text
/// that is scored), measured or from the cache folder (lathe/losses/<hash of model, text, what the
/// curves hang on and version>). That takes a forward pass for each matrix, bit count and sample;
/// how many and about how long is logged before. Each matrix is written as soon as it is done, as
/// by findCurves.
/// @param curves of all matrices, as findCurves gave them
/// @throws InputError as calibrationText does, or when there is no cache folder; Cancelled.
FoundLosses findLosses(
    StudyContext& context, const std::shared_ptr<const LoadedModel>& model,
    const Sensitivities& sensitivities, const CalibrationChoice& calibration,
    const std::vector<ModuleCurve>& curves, const CalibrationProgress& onProgress);

} // namespace lathe
