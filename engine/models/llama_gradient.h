// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "engine/core/run_control.h"
#include "engine/models/llama.h"

#include <cstddef>
#include <functional>
#include <string>
#include <vector>

/// The backward pass of the LLaMA family, written out.
namespace lathe {

struct GradientRequest {
    std::vector<std::vector<TokenId>> samples; ///< each of 2 ids or more
    /// Blocks that are not wanted are only gone through. Empty: all are wanted.
    std::function<bool(int block)> wanted{};
    /// Share that is done and what is worked on, on the calling thread; may be empty.
    std::function<void(double share, const std::string& what)> onProgress{};
    /// What the visitor keeps, for the estimate of memory: as gradientMemory has it.
    int hessianGroups = 0;
};

/// What is made of the gradients while they go by: of every wanted block, the last one first.
class GradientVisitor {
public:
    virtual ~GradientVisitor() = default;
    virtual void begin(int block) = 0;
    /// Once per sample and matrix, in any order of matrices. Views lie in scratch memory of the
    /// device. The loss of a sample is the mean over its tokens.
    /// @param matrix its place among the block's LlamaModel::modules()
    /// @param x [tokens, in] F32, what it was given  @param dy [tokens, out] F32, gradient of the
    ///        sample's loss by what it gave
    virtual void visit(std::size_t matrix, ConstView x, ConstView dy) = 0;
    /// @param loss mean over all samples
    virtual void end(int block, double loss) = 0;
};

/// The loss of a sample is the mean cross entropy of its ids after the first one, in nats. Samples
/// go through forward once, leaving each block's input behind; then block by block, last to first.
///
/// All in float32 with an unscaled loss: gradients down to 1e-38 keep their precision. On one
/// device, with one number of threads, equal requests show equal bits, also when blocks are left
/// out.
/// @return the mean loss of the samples.
/// @throws InputError for a sample that is too short or too long or a quantized model; DeviceError
///         with all numbers when memory does not suffice; Cancelled between two samples.
double visitGradients(
    RunControl& run, ExecContext& context, const LlamaModel& model, const GradientRequest& request,
    GradientVisitor& visitor);

} // namespace lathe
