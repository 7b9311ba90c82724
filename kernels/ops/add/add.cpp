// SPDX-License-Identifier: Apache-2.0
#include "kernels/ops/add/add.h"

#include "kernels/core/arguments.h"
#include "kernels/core/dispatch.h"

namespace lathe {

#ifdef LATHE_HAVE_CUDA
namespace cuda {
void launch(ExecContext& context, const Add& op);
}
#endif

namespace {

void addScalar(ExecContext&, const Add& op) {
    const auto* a = op.a.ptr<float>();
    const auto* b = op.b.ptr<float>();
    auto* y = op.y.ptr<float>();
    for (std::int64_t i = 0; i < op.y.elementCount(); ++i) {
        y[i] = a[i] + b[i];
    }
}

} // namespace

template <>
std::span<const Kernel<Add>> kernelsOf<Add>() {
    static constexpr Kernel<Add> kTable[] = {
#ifdef LATHE_HAVE_CUDA
        {Target::Cuda, "cuda", cuda::launch},
#endif
        {Target::Scalar, "scalar", addScalar},
    };
    return kTable;
}

void run(ExecContext& context, const Add& op) {
    const Arguments arguments("add", context.device());
    arguments.f32("a", op.a, op.y.shape);
    arguments.f32("b", op.b, op.y.shape);
    arguments.f32("y", op.y, op.y.shape);
    arguments.sameOrDisjoint("y", op.y, "a", op.a);
    arguments.sameOrDisjoint("y", op.y, "b", op.b);
    if (op.y.elementCount() > 0) {
        dispatch(context, op, "add");
    }
}

} // namespace lathe
