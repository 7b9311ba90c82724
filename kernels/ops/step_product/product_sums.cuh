// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "kernels/cuda/overlap.cuh"
#include "kernels/ops/step_product/product_order.cuh"
#include "kernels/ops/step_product/step_product.h"

/// What the kernels of StepProduct share.
namespace lathe::cuda::step_product {

constexpr int kWarps = 8;
constexpr int kThreads = kWarps * kWarp;
constexpr int kMostRows = 12; ///< of one block
static_assert(kMostSegments <= kWarps);

template <class T>
struct ProductArguments {
    const float* x;
    const float* gamma; ///< null: none
    const T* w;
    float* y;
    int rows, in, out;
    int split; ///< warps that share the columns of an output
    float epsilon;
    StepProduct::Result result;
};

/// What stands in y and is added to.
template <class T>
__device__ float before(const ProductArguments<T>& a, int row, int o) {
    return a.result == StepProduct::Result::Add ? a.y[static_cast<std::int64_t>(row) * a.out + o]
                                                : 0.0F;
}

/// y of a product that is still to be multiplied by the factor of the norm.
template <class T>
__device__ void
finish(const ProductArguments<T>& a, int row, int o, float product, float norm, float before) {
    float* to = a.y + static_cast<std::int64_t>(row) * a.out + o;
    const float y = __fmul_rn(product, norm); // in every kernel alike: not fused with what follows
    switch (a.result) {
    case StepProduct::Result::Store:
        *to = y;
        break;
    case StepProduct::Result::Relu:
        *to = y < 0.0F ? 0.0F : y; // fmaxf would lose NaN
        break;
    case StepProduct::Result::Add:
        *to = before + y;
        break;
    }
}

template <class T>
__device__ float normOf(const ProductArguments<T>& a, float squares) {
    return a.gamma == nullptr ? 1.0F : cuda::normOf(squares, a.in, a.epsilon);
}

} // namespace lathe::cuda::step_product
