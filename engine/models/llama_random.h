// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "engine/models/llama.h"

#include <cstdint>
#include <functional>
#include <memory>

/// Models that say nothing but take the time and memory of real ones.
namespace lathe {

inline constexpr int kDenseBits = 16; ///< F16 without tables

struct RandomWeights {
    int bits = 4; ///< of the block matrices: 1 to 8 with tables, or kDenseBits
    double sparsity =
        0.0; ///< share of their weights that has a value in sparse rows, evenly spread
    std::uint64_t seed = 0;
};

/// A model of this shape on the context's device: random codes and tables, embedding and head in
/// F16, norms 1. All blocks have the same values, each in memory of its own.
/// @param onLayer called before each block is made; may throw.
/// @throws InputError for other bits, a share out of [0, 0.5] or one beside dense weights;
///         DeviceError when it does not fit.
std::unique_ptr<LlamaModel> randomLlama(
    const LlamaConfig& config, const RandomWeights& weights, ExecContext& context,
    const std::function<void(int layer)>& onLayer = {});

/// Memory that randomLlama takes on the context's device, in bytes, rounded up.
std::int64_t
randomLlamaBytes(const LlamaConfig& config, const RandomWeights& weights, ExecContext& context);

} // namespace lathe
