// SPDX-License-Identifier: Apache-2.0
#include "kernels/ops/rms_norm/rms_norm_simd.h"

#include "kernels/simd/vec.h"

namespace lathe::LATHE_SIMD_NAMESPACE {

void rmsNorm(const float* x, const float* gamma, float* y, int64_t cols, float epsilon) {
    constexpr int64_t kWidth = Vec::kWidth;
    Vec even = Vec::zero();
    Vec odd = Vec::zero();
    int64_t i = 0;
    for (; i + 2 * kWidth <= cols; i += 2 * kWidth) {
        const Vec first = Vec::load(x + i);
        const Vec second = Vec::load(x + i + kWidth);
        even = fma(first, first, even);
        odd = fma(second, second, odd);
    }
    for (; i < cols; i += kWidth) {
        const Vec part = i + kWidth <= cols ? Vec::load(x + i) : Vec::loadPartial(x + i, cols - i);
        even = fma(part, part, even);
    }
    const float mean = sum(even + odd) / static_cast<float>(cols);
    const Vec factor = Vec::set1(1.0F / sqrtf(mean + epsilon));
    for (i = 0; i + kWidth <= cols; i += kWidth) {
        (Vec::load(x + i) * factor * Vec::load(gamma + i)).store(y + i);
    }
    if (const int64_t rest = cols - i; rest > 0) {
        const Vec part = Vec::loadPartial(x + i, rest) * factor;
        (part * Vec::loadPartial(gamma + i, rest)).storePartial(y + i, rest);
    }
}

void rmsNormGradient(const RmsNormGradientRow& row) {
    constexpr int64_t kWidth = Vec::kWidth;
    const auto load = [&row](const float* p, int64_t i) {
        return i + kWidth <= row.cols ? Vec::load(p + i) : Vec::loadPartial(p + i, row.cols - i);
    };
    Vec squares = Vec::zero();
    Vec products = Vec::zero();
    for (int64_t i = 0; i < row.cols; i += kWidth) {
        const Vec x = load(row.x, i);
        squares = fma(x, x, squares);
        products = fma(x, load(row.gamma, i) * load(row.dy, i), products);
    }
    const auto cols = static_cast<float>(row.cols);
    const float factor = 1.0F / sqrtf(sum(squares) / cols + row.epsilon);
    const Vec scale = Vec::set1(factor);
    const Vec pull = Vec::set1(factor * factor * (sum(products) / cols));
    for (int64_t i = 0; i < row.cols; i += kWidth) {
        const Vec gradient = load(row.gamma, i) * load(row.dy, i);
        const Vec result = scale * fnma(load(row.x, i), pull, gradient);
        if (i + kWidth <= row.cols) {
            result.store(row.dx + i);
        } else {
            result.storePartial(row.dx + i, row.cols - i);
        }
    }
}

} // namespace lathe::LATHE_SIMD_NAMESPACE
