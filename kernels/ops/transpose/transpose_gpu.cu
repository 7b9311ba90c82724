// SPDX-License-Identifier: Apache-2.0
#include "kernels/cuda/cuda_check.h"
#include "kernels/cuda/widen.cuh"
#include "kernels/ops/transpose/transpose.h"

#include <algorithm>

namespace lathe::cuda {

namespace {

constexpr int kTile = 32;
constexpr int kTileRows = 8; ///< rows of a tile that a block moves at once

/// Tile by tile through shared memory, so that both reads and writes are of whole lines. A block
/// walks over the tiles: there may be more than a grid has blocks in one direction.
template <class T>
__global__ void transposeKernel(const T* x, float* y, std::int64_t rows, std::int64_t cols) {
    __shared__ float tile[kTile][kTile + 1];
    const int lane = static_cast<int>(threadIdx.x);
    const int line = static_cast<int>(threadIdx.y);
    const std::int64_t across = (cols + kTile - 1) / kTile;
    const std::int64_t tiles = across * ((rows + kTile - 1) / kTile);
    for (std::int64_t t = blockIdx.x; t < tiles; t += gridDim.x) {
        const std::int64_t row = t / across * kTile;
        const std::int64_t col = t % across * kTile;
        for (int i = line; i < kTile; i += kTileRows) {
            if (row + i < rows && col + lane < cols) {
                tile[i][lane] = widen(x[(row + i) * cols + col + lane]);
            }
        }
        __syncthreads();
        for (int i = line; i < kTile; i += kTileRows) {
            if (col + i < cols && row + lane < rows) {
                y[(col + i) * rows + row + lane] = tile[lane][i];
            }
        }
        __syncthreads();
    }
}

} // namespace

void launch(ExecContext& context, const Transpose& op) {
    const std::int64_t rows = op.x.shape[0];
    const std::int64_t cols = op.x.shape[1];
    const std::int64_t tiles = ((rows + kTile - 1) / kTile) * ((cols + kTile - 1) / kTile);
    if (tiles == 0) {
        return;
    }
    const auto blocks = static_cast<unsigned>(std::min<std::int64_t>(tiles, 1024));
    withFloatType(op.x.dtype, [&](auto zero) {
        using T = decltype(zero);
        transposeKernel<T><<<blocks, dim3(kTile, kTileRows), 0, context.cuda()->stream>>>(
            op.x.ptr<T>(), op.y.ptr<float>(), rows, cols);
    });
    checkLaunch(context, "transpose");
}

} // namespace lathe::cuda
