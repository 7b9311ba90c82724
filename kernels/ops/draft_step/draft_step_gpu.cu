// SPDX-License-Identifier: Apache-2.0
#include "kernels/cuda/overlap.cuh"

#define LATHE_DRAFT_FUNCTION __device__
#include "kernels/ops/draft_step/draft_decision.h"

namespace lathe::cuda {

namespace {

__global__ void draftStepKernel(const DraftPointers pointers) {
    letNextBegin();
    waitForPrevious();
    decideDraft(pointers, __int_as_float(pointers.limits[DraftStep::Threshold]));
}

} // namespace

void launch(ExecContext& context, const DraftStep& op) {
    launchOverlapped(
        context, "draft_step", draftStepKernel, {.grid = dim3(1), .threads = 1},
        DraftPointers{
            .argmax = op.argmax.ptr<std::int32_t>(),
            .values = op.values.ptr<float>(),
            .limits = op.limits.ptr<std::int32_t>(),
            .state = op.state.ptr<std::int32_t>(),
            .id = op.id.ptr<std::int32_t>(),
            .rows = op.rows.ptr<std::int32_t>(),
            .stepRows = static_cast<std::int32_t>(op.argmax.shape[0]),
            .most = static_cast<std::int32_t>(op.rows.shape[0])});
}

} // namespace lathe::cuda
