// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <stdint.h>

/// What attention_gradient.cpp and the instruction-set specific attention_gradient_simd.cpp agree
/// on: raw pointers only.
namespace lathe {

struct AttentionGradientArguments {
    const float* q = nullptr;      ///< [tokens, heads, headDim]
    const float* keys = nullptr;   ///< [tokens, kvHeads, headDim]
    const float* values = nullptr; ///< the same
    const float* dy = nullptr;     ///< [tokens, heads, headDim]
    float* dq = nullptr;
    float* dkeys = nullptr;
    float* dvalues = nullptr;
    int64_t tokens = 0, heads = 0, kvHeads = 0, headDim = 0;
    float scale = 1.0F;
};

/// Queries that are worked on together.
inline constexpr int64_t kAttentionGradientQueries = 4;
/// Tokens are padded to whole vectors of any width.
constexpr int64_t attentionGradientPadded(int64_t tokens) { return (tokens + 63) / 64 * 64; }
/// Floats of scratch of one work item: keys and values transposed, and the rows of its queries.
constexpr int64_t attentionGradientScratch(int64_t tokens, int64_t headDim) {
    return 2 * (headDim + kAttentionGradientQueries) * attentionGradientPadded(tokens);
}

} // namespace lathe

namespace lathe::avx2 {
/// One key head and all query heads that read it.
void attentionGradient(const AttentionGradientArguments& a, int64_t kvHead, float* scratch);
} // namespace lathe::avx2

namespace lathe::avx512 {
/// One key head and all query heads that read it.
void attentionGradient(const AttentionGradientArguments& a, int64_t kvHead, float* scratch);
} // namespace lathe::avx512
