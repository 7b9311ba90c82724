// SPDX-License-Identifier: Apache-2.0
#include "kernels/cuda/overlap.cuh"
#include "kernels/cuda/widen.cuh"
#include "kernels/ops/embedding/embedding.h"

namespace lathe::cuda {

namespace {

template <class T>
__global__ void embeddingKernel(
    const T* table, const std::int32_t* ids, float* y, std::int64_t vocabulary, std::int64_t cols) {
    letNextBegin();
    waitForPrevious();
    const std::int32_t id = ids[blockIdx.x];
    const bool known = id >= 0 && id < vocabulary;
    for (std::int64_t c = threadIdx.x; c < cols; c += blockDim.x) {
        y[blockIdx.x * cols + c] = known ? widen(table[id * cols + c]) : nanf("");
    }
}

} // namespace

void launch(ExecContext& context, const Embedding& op) {
    const std::int64_t tokens = op.ids.elementCount();
    if (op.y.elementCount() == 0) {
        return;
    }
    withFloatType(op.table.dtype, [&](auto zero) {
        using T = decltype(zero);
        launchOverlapped(
            context, "embedding", embeddingKernel<T>,
            {.grid = dim3(static_cast<unsigned>(tokens)), .threads = 256}, op.table.ptr<T>(),
            op.ids.ptr<std::int32_t>(), op.y.ptr<float>(), op.table.shape[0], op.table.shape[1]);
    });
}

} // namespace lathe::cuda
