// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "engine/quant/error_curve.h"
#include "experiments/sensitivities.h"

#include <string>
#include <vector>

namespace lathe {

/// The curve of one matrix of a model.
struct ModuleCurve {
    std::string name;
    std::int64_t out = 0, in = 0;
    std::vector<CurvePoint> points;

    std::int64_t weights() const { return out * in; }
};

struct FoundCurves {
    std::vector<ModuleCurve> modules; ///< as LlamaModel::modules() has them
    int computed = 0;                 ///< 0: all were in the cache
};

/// Equal for equal curves: a hash of model, the sensitivities' origin and version.
std::string curveKey(const LoadedModel& model, const SensitivityRecord& record);

/// The curves of a model's matrices, computed or from the cache folder (lathe/curves/<curveKey>).
/// Each matrix is written there as soon as it is
/// done, so that what was cancelled goes on where it stopped; a damaged file is computed again and
/// said in a log line.
/// @param onProgress share and what is worked on
/// @throws InputError when there is no cache folder or the model is quantized already; as
///         errorCurve does; Cancelled.
FoundCurves findCurves(
    StudyContext& context, const LoadedModel& model, const Sensitivities& sensitivities,
    const CalibrationProgress& onProgress);

/// The matrix as a point of its curve has it, on the context's device.
/// @throws InputError when it is quantized already; Cancelled.
Weight quantizedAs(
    StudyContext& context, const std::string& name, const Linear& linear,
    const Sensitivities& sensitivities, const CurvePoint& point);

} // namespace lathe
