// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "engine/io/safetensors.h"
#include "experiments/calibration_text.h"

#include <memory>
#include <string>
#include <vector>

namespace lathe {

/// Groups of output channels of a matrix that share a Hessian: more of them gained nothing that
/// could be measured (docs/adr/0009).
inline constexpr int kHessianGroups = 1;

/// How much errors of the outputs of a model's matrices cost, in files of the cache folder, one per
/// block: `<module>.hessian` F32 [groups, in, in] (computeHessians).
class Hessians {
public:
    explicit Hessians(std::vector<SafetensorsFile> blocks) : m_blocks(std::move(blocks)) {}

    /// In mapped memory. @throws FormatError when the module is absent.
    Tensor of(const std::string& module) const;

private:
    std::vector<SafetensorsFile> m_blocks;
};

/// The Hessians of a model on a calibration text, computed or from the cache folder
/// (lathe/hessian/<hash of model, ids and version>). Each block is written there as soon as it is
/// done, so that what was cancelled goes on where it stopped; a damaged file is computed again and
/// said in a log line.
/// @param onProgress share and what is worked on
/// @throws InputError when there is no cache folder, or less room in it than they take (with both
///         numbers), or as calibrationText and computeHessians do; DeviceError when one block's do
///         not fit into memory (with the estimate); Cancelled.
std::shared_ptr<const Hessians> hessiansFor(
    StudyContext& context, const LoadedModel& model, const CalibrationChoice& choice,
    const CalibrationProgress& onProgress);

} // namespace lathe
