// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "kernels/core/exec_context.h"
#include "kernels/core/tensor.h"

namespace lathe {

/// Output columns [from, to) that group `group` of `groups` has: sizes differ by one at most.
struct OutputGroup {
    std::int64_t from = 0, to = 0;
};
constexpr OutputGroup outputGroup(std::int64_t out, std::int64_t groups, std::int64_t group) {
    return {group * out / groups, (group + 1) * out / groups};
}

/// sums[g] += sum over rows t of s(t, g) * x_t * x_t^T, where s(t, g) is the mean of dy^2 over the
/// outputs of group g: how much an error of the layer's outputs costs, averaged over the group.
/// @see GuidedQuant (arXiv 2505.07004): the Hessian of a layer's outputs, guided by the loss.
struct GuidedHessian {
    ConstView x;     ///< [rows, in] F32: what the layer was given
    ConstView dy;    ///< [rows, out] F32: gradient of what it gave
    TensorView sums; ///< [groups, in, in] F32, added to; groups <= out; must not alias x or dy
};
/// @throws InputError when shapes, dtypes or devices do not fit.
void run(ExecContext& context, const GuidedHessian& op);

} // namespace lathe
