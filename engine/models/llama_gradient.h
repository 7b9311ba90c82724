// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "engine/core/run_control.h"
#include "engine/models/llama.h"

#include <functional>
#include <string>
#include <utility>
#include <vector>

/// How much the loss hangs on each weight: the diagonal of the empirical Fisher matrix, by a
/// backward pass that is written out for the LLaMA family.
/// @see SqueezeLLM (arXiv 2306.07629), section 3.2.
namespace lathe {

/// Of one block: per matrix the mean over the samples of g^2, g the gradient of one sample's loss.
struct BlockSensitivities {
    int block = 0;
    double loss = 0.0; ///< mean loss of the samples
    /// By Hugging Face name, in the order of LlamaModel::modules(); [out, in] F32 on the host.
    std::vector<std::pair<std::string, Tensor>> modules;
};

struct SensitivityRequest {
    std::vector<std::vector<TokenId>> samples; ///< each of 2 ids or more
    /// Blocks that are not wanted are only gone through. Empty: all are wanted.
    std::function<bool(int block)> wanted{};
    /// Called for every wanted block, the last block first.
    std::function<void(BlockSensitivities)> onBlock;
    /// Share that is done and what is worked on, on the calling thread; may be empty.
    std::function<void(double share, const std::string& what)> onProgress{};
};

/// The loss of a sample is the mean cross entropy of its ids after the first one, in nats. Samples
/// go through forward once, leaving each block's input behind; then block by block, last to first,
/// one block's squares being on the device at a time.
///
/// All in float32 with an unscaled loss: gradients down to 1e-38 keep their precision, and a square
/// that vanishes (g below 1e-22) is nothing beside those that count. On one device, with one number
/// of threads, equal requests give equal bits, also when blocks are left out.
/// @return the mean loss of the samples.
/// @throws InputError for a sample that is too short or too long, a quantized model, or a gradient
///         that is not finite; DeviceError with all numbers when memory does not suffice; Cancelled
///         between two samples.
double computeSensitivities(
    RunControl& run, ExecContext& context, const LlamaModel& model,
    const SensitivityRequest& request);

} // namespace lathe
