// SPDX-License-Identifier: Apache-2.0
#include "kernels/cuda/cuda_check.h"
#include "kernels/cuda/reduce.cuh"
#include "kernels/cuda/widen.cuh"
#include "kernels/ops/spmv_csr/spmv_csr.h"

#include <algorithm>

namespace lathe::cuda {

namespace {

constexpr int kThreads = 256;
constexpr int kWarps = kThreads / 32;

/// The sparse matrix as the kernels read it.
template <class Value>
struct Rows {
    const std::int32_t* pointers;
    const std::uint16_t* columns;
    const Value* values;
};

/// A warp per row of S, for all rows of x: sums run over the lanes in a fixed order.
template <class Value>
__global__ void spmvKernel(
    const float* x, const Rows<Value> sparse, float* y, std::int64_t rows, std::int64_t in,
    std::int64_t out) {
    const std::int64_t o = static_cast<std::int64_t>(blockIdx.x) * kWarps + threadIdx.x / 32;
    const int lane = static_cast<int>(threadIdx.x % 32);
    if (o >= out) {
        return;
    }
    const std::int32_t from = sparse.pointers[o], to = sparse.pointers[o + 1];
    for (std::int64_t row = blockIdx.y; row < rows && from < to; row += gridDim.y) {
        float sum = 0.0F;
#pragma unroll 4
        for (std::int64_t i = from + lane; i < to; i += 32) {
            sum = fmaf(widen(sparse.values[i]), x[row * in + sparse.columns[i]], sum);
        }
        sum = warpSum(sum);
        if (lane == 0) {
            y[row * out + o] += sum;
        }
    }
}

template <class Value, class T>
__global__ void addKernel(const Rows<Value> sparse, T* w, std::int64_t count, std::int64_t in) {
    const std::int64_t row = static_cast<std::int64_t>(blockIdx.x) * kWarps + threadIdx.x / 32;
    if (row >= count) {
        return;
    }
    const std::int32_t to = sparse.pointers[row + 1];
    for (std::int64_t i = sparse.pointers[row] + static_cast<std::int64_t>(threadIdx.x % 32);
         i < to; i += 32) {
        T& sum = w[row * in + sparse.columns[i]];
        sum = static_cast<T>(widen(sum) + widen(sparse.values[i]));
    }
}

/// Calls launch(Rows<Value>) with the stored type of the values.
template <class Launch>
void withValues(const SparseView& sparse, Launch launch) {
    const auto* pointers = sparse.rowPointers.ptr<std::int32_t>();
    const auto* columns = sparse.columns.ptr<std::uint16_t>();
    if (sparse.values.dtype == DType::F16) {
        launch(Rows<__half>{pointers, columns, sparse.values.ptr<__half>()});
    } else {
        launch(Rows<float>{pointers, columns, sparse.values.ptr<float>()});
    }
}

unsigned blocksFor(std::int64_t rows) {
    return static_cast<unsigned>((rows + kWarps - 1) / kWarps);
}

} // namespace

void launch(ExecContext& context, const SpmvCsr& op) {
    const std::int64_t rows = op.x.shape[0], out = op.y.shape[1];
    if (rows == 0 || out == 0) {
        return;
    }
    const dim3 grid(blocksFor(out), static_cast<unsigned>(std::min<std::int64_t>(rows, 65535)));
    withValues(op.sparse, [&](auto sparse) {
        spmvKernel<<<grid, kThreads, 0, context.cuda()->stream>>>(
            op.x.ptr<float>(), sparse, op.y.ptr<float>(), rows, op.x.shape[1], out);
    });
    checkLaunch(context, "spmv_csr");
}

void launch(ExecContext& context, const AddSparse& op) {
    if (op.w.shape[0] == 0) {
        return;
    }
    withValues(op.sparse, [&](auto sparse) {
        sparse.pointers += op.rowFrom;
        const auto add = [&](auto* w) {
            addKernel<<<blocksFor(op.w.shape[0]), kThreads, 0, context.cuda()->stream>>>(
                sparse, w, op.w.shape[0], op.w.shape[1]);
        };
        op.w.dtype == DType::F16 ? add(op.w.ptr<__half>()) : add(op.w.ptr<float>());
    });
    checkLaunch(context, "add_sparse");
}

} // namespace lathe::cuda
