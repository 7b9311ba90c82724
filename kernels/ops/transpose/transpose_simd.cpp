// SPDX-License-Identifier: Apache-2.0
#include "kernels/ops/transpose/transpose_simd.h"

#include "kernels/simd/weights.h"

namespace lathe::LATHE_SIMD_NAMESPACE {

namespace {

constexpr int64_t kWidth = Vec::kWidth;

/// One block of at most kTransposeRows rows from row `first` on.
template <class Weights>
void transposeBlock(const TransposeArguments& t, int64_t first) {
    const auto* x = static_cast<const typename Weights::Element*>(t.x) + first * t.cols;
    const int64_t count = t.rows - first < kTransposeRows ? t.rows - first : kTransposeRows;
    float part[kTransposeRows][kWidth];
    for (int64_t c = 0; c < t.cols; c += kWidth) {
        const int64_t width = t.cols - c < kWidth ? t.cols - c : kWidth;
        for (int64_t r = 0; r < count; ++r) {
            const auto* from = x + r * t.cols + c;
            const Vec v = width == kWidth ? Weights::load(from) : loadPartial<Weights>(from, width);
            v.store(part[r]);
        }
        for (int64_t i = 0; i < width; ++i) {
            float* to = t.y + (c + i) * t.rows + first;
            for (int64_t r = 0; r < count; ++r) {
                to[r] = part[r][i];
            }
        }
    }
}

} // namespace

void transpose(const TransposeArguments& t, int64_t from, int64_t to) {
    withWeights(t.kind, [&](auto weights) {
        for (int64_t block = from; block < to; ++block) {
            transposeBlock<decltype(weights)>(t, block * kTransposeRows);
        }
    });
}

} // namespace lathe::LATHE_SIMD_NAMESPACE
