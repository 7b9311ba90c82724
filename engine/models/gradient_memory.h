// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "engine/models/llama_config.h"
#include "kernels/core/device.h"

#include <cstdint>

namespace lathe {

/// What visitGradients needs in bytes, its visitor included, beside the model itself.
struct GradientMemory {
    std::int64_t working = 0;     ///< on the device
    std::int64_t checkpoints = 0; ///< block inputs and gradients, on the device or on the host
};

/// An upper estimate for samples of `length` ids.
/// @param hessianGroups 0: of every weight the squared gradient is kept; else so many Hessians of
///        each matrix's inputs
GradientMemory gradientMemory(
    const LlamaConfig& config, Device device, std::int64_t samples, std::int64_t length,
    int hessianGroups = 0);

/// Groups of outputs that a matrix of `out` rows has: `groups`, or one per row.
std::int64_t hessianGroupsOf(std::int64_t out, int groups);
/// Elements of one block's Hessians, `groups` of each matrix.
std::int64_t blockHessianElements(const LlamaConfig& config, int groups);

/// Where the checkpoints go: on the device when they fit beside the rest, else on the host.
/// @throws DeviceError with all numbers when they fit on neither, or the rest does not fit.
Device checkpointDevice(const GradientMemory& memory, Device device);

} // namespace lathe
