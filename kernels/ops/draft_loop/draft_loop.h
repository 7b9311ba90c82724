// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "kernels/core/exec_context.h"
#include "kernels/core/tensor.h"
#include "kernels/ops/draft_step/draft_step.h"

#include <vector>

namespace lathe {

/// A whole greedy draft of a small decoder of the T5 family: the tokens are fed, and then what the
/// model makes of them, token by token, until a DraftStep says that it is enough. One launch, in
/// which the weights come to the chip once and stay there.
/// Results, caches included, have the bits of Embedding, StepProduct, StepAttention, the
/// activation, RowStatistics and DraftStep one after the other.
/// @note Cost: the weights once, and for each token a few microseconds of waiting: the blocks of a
///       cluster hand each other what each of them has multiplied, six times a layer.
///       The CUDA kernel reads the caches before the kernel in front of it ends, as StepAttention
///       does: whoever writes them puts a launch between that does not overlap, such as `put`.
/// @see  Big Little Decoder (arXiv 2302.07863), section 3.3, for when a draft ends
struct DraftLoop {
    static constexpr std::int64_t kMostLayers = 4;
    enum class Activation { Relu, GatedGelu, GatedSilu };
    struct Layer {
        ConstView selfNorm, sourceNorm, innerNorm; ///< [hidden] F32
        /// Matrices [out, in], all of one float type as embedding and head are. Without biases.
        ConstView q, k, v, o;       ///< [heads * headDim, hidden], o the other way round
        ConstView sourceQ, sourceO; ///< likewise
        ConstView in, up, out;      ///< [inner, hidden], up empty unless gated; [hidden, inner]
        TensorView keys, values;    ///< [capacity, heads, headDim] F32, updated
        ConstView sourceKeys, sourceValues; ///< [source capacity, heads, headDim] F32
    };
    std::vector<Layer> layers{};
    ConstView embedding{};       ///< [vocabulary, hidden]
    ConstView head{};            ///< [vocabulary, hidden]
    ConstView finalNorm{};       ///< [hidden] F32
    ConstView bias{};            ///< [heads, distances] F32 of all layers' self-attention
    std::int64_t biasOrigin = 0; ///< column of distance 0
    float epsilon = 1e-6F;
    Activation activation = Activation::Relu;
    std::int64_t columns = 0; ///< of the logits that count, as in RowStatistics
    ConstView sourceLength{}; ///< [1] I32
    ConstView limits{};       ///< [DraftStep::kLimitSize] I32
    TensorView state{};       ///< [DraftStep::kStateSize] I32, updated
    TensorView ids{};  ///< [tokens] I32: the first Fed are fed; the last draft goes to ids[0]
    TensorView rows{}; ///< [most, 4] I32, updated, see DraftStep
    /// Leading rows of the caches that the draft may use; 0: all. What is kept on the chip.
    std::int64_t positions = 0, sourcePositions = 0;
    /// Blocks of the cluster on a GPU: what draftLoopBlocks says.
    int blocks = 0;
};
/// @note A state or a length out of range, also one for which the caches have no room, writes no
///       row and does not go on; a draft ends behind the last position that it may use.
/// @throws InputError when shapes, dtypes or devices do not fit; on a GPU Unsupported for what
///         draftLoopBlocks says 0 to, and DeviceError for 16 blocks where it says 8.
void run(ExecContext& context, const DraftLoop& op);

/// Blocks of the cluster that holds these weights and caches in its shared memory: 16 where the GPU
/// takes so many together, else 8; 0 where one launch cannot do it. Views count by their shapes,
/// types and alignment, not by what lies there.
int draftLoopBlocks(ExecContext& context, const DraftLoop& op);

} // namespace lathe
