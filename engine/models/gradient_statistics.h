// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "engine/models/llama_gradient.h"

#include <functional>
#include <string>
#include <utility>
#include <vector>

/// How much the loss hangs on the weights, by the backward pass.
namespace lathe {

/// Of one block, per matrix a mean over the samples.
struct BlockStatistics {
    int block = 0;
    double loss = 0.0; ///< mean loss of the samples
    /// By Hugging Face name, in the order of LlamaModel::modules(); F32 on the host.
    std::vector<std::pair<std::string, Tensor>> modules;
};

/// Called for every wanted block, the last block first; one block's are on the device at a time.
using OnBlock = std::function<void(const BlockStatistics&)>;

/// Per matrix [out, in]: the mean of g^2, g the gradient of one sample's loss: the diagonal of the
/// empirical Fisher matrix. A square that vanishes (g below 1e-22) is nothing beside those that
/// count. `request.hessianGroups` is not looked at.
/// @see SqueezeLLM (arXiv 2306.07629), section 3.2.
/// @return the mean loss of the samples.
/// @throws as visitGradients; InputError for a gradient that is not finite.
double computeSensitivities(
    RunControl& run, ExecContext& context, const LlamaModel& model, GradientRequest request,
    const OnBlock& onBlock);

/// Per matrix [groups, in, in], symmetric: the mean over samples of the sum over their tokens of
/// s * x * x^T, s being the mean of (dL/dy)^2 over the outputs of a group (op GuidedHessian). Half
/// of e^T H e, times the tokens of a sample, estimates what the error e of a row costs.
/// @see GuidedQuant (arXiv 2505.07004).
/// @param request with `hessianGroups` of 1 or more; a matrix of fewer rows has one group per row
/// @return the mean loss of the samples.
/// @throws as visitGradients; InputError for a value that is not finite.
double computeHessians(
    RunControl& run, ExecContext& context, const LlamaModel& model, const GradientRequest& request,
    const OnBlock& onBlock);

} // namespace lathe
