// SPDX-License-Identifier: Apache-2.0
#include "kernels/ops/draft_step/draft_step.h"

#include "kernels/core/arguments.h"
#include "kernels/core/dispatch.h"

#include <bit>

#define LATHE_DRAFT_FUNCTION
#include "kernels/ops/draft_step/draft_decision.h"

namespace lathe {

#ifdef LATHE_HAVE_CUDA
namespace cuda {
void launch(ExecContext& context, const DraftStep& op);
}
#endif

namespace {

void draftStepScalar(ExecContext&, const DraftStep& op) {
    const DraftPointers pointers{
        .argmax = op.argmax.ptr<std::int32_t>(),
        .values = op.values.ptr<float>(),
        .limits = op.limits.ptr<std::int32_t>(),
        .state = op.state.ptr<std::int32_t>(),
        .id = op.id.ptr<std::int32_t>(),
        .rows = op.rows.ptr<std::int32_t>(),
        .stepRows = static_cast<std::int32_t>(op.argmax.shape[0]),
        .most = static_cast<std::int32_t>(op.rows.shape[0])};
    decideDraft(pointers, std::bit_cast<float>(pointers.limits[DraftStep::Threshold]));
}

} // namespace

template <>
std::span<const Kernel<DraftStep>> kernelsOf<DraftStep>() {
    static constexpr Kernel<DraftStep> kTable[] = {
#ifdef LATHE_HAVE_CUDA
        {Target::Cuda, "cuda", cuda::launch},
#endif
        {Target::Scalar, "scalar", draftStepScalar},
    };
    return kTable;
}

void run(ExecContext& context, const DraftStep& op) {
    const Arguments arguments("draft_step", context.device());
    arguments.rank("argmax", op.argmax, 1);
    arguments.rank("rows", op.rows, 2);
    arguments.i32("argmax", op.argmax, op.argmax.shape);
    arguments.f32("values", op.values, {op.argmax.shape[0], 3});
    arguments.i32("limits", op.limits, {DraftStep::kLimitSize});
    arguments.i32("state", op.state, {DraftStep::kStateSize});
    arguments.i32("id", op.id, {1});
    arguments.i32("rows", op.rows, {op.rows.shape[0], 4});
    dispatch(context, op, "draft_step");
}

} // namespace lathe
