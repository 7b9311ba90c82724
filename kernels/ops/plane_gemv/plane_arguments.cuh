// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "kernels/cuda/reduce.cuh"
#include "kernels/ops/plane_gemv/plane_gemv.h"

#include <cuda_runtime.h>

/// What the kernel of plane_gemv_gpu.cu is given, and how its warps share it.
namespace lathe::cuda {

constexpr int kWorkers = static_cast<int>(kPlaneWorkers);
constexpr int kThreads = kWorkers * kWarp;

struct PlaneArguments {
    const unsigned char* planes;
    const float* coefficients;
    const float* x;
    const float* bias;
    float* y;
    const int* rowPointers; ///< null: no sparse part
    const std::uint16_t* columns;
    const void* values;
    bool halfValues;    ///< else floats
    int heldProducts;   ///< of a worker, in shared memory
    const int2* shares; ///< null: equal ones
    int in, out, steps;
    int tilesEach, tilesMore; ///< of a block; so many blocks have one more
};

/// The steps that a worker multiplies: consecutive ones, also over the ends of tiles. Workers of a
/// block share its tiles evenly, where the end of a tile costs as much as a step.
struct Share {
    int tile, step; ///< the first
    int count;      ///< of steps

    __device__ Share(const PlaneArguments& a, int worker, bool isSparse) {
        const int block = static_cast<int>(blockIdx.x);
        if (isSparse && a.shares != nullptr) {
            const int2 begin = __ldg(a.shares + block * kWorkers + worker);
            const int2 end = __ldg(a.shares + block * kWorkers + worker + 1);
            tile = begin.x;
            step = begin.y;
            count = (end.x - begin.x) * a.steps + end.y - begin.y;
            return;
        }
        const int tiles = a.tilesEach + (block < a.tilesMore ? 1 : 0);
        const int cost = a.steps + 1;
        const auto placeOf = [&](int index, int& atTile) {
            const int place = tiles * cost * index / kWorkers;
            atTile = place / cost;
            return min(place % cost, a.steps);
        };
        int endTile = 0;
        step = placeOf(worker, tile);
        const int endStep = placeOf(worker + 1, endTile);
        count = (endTile - tile) * a.steps + endStep - step;
        if (step == a.steps) {
            step = 0;
            ++tile;
        }
        tile += block * a.tilesEach + min(block, a.tilesMore);
    }
};

} // namespace lathe::cuda
