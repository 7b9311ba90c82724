// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <stdint.h>

/// What attention.cpp and the instruction-set specific attention_simd.cpp agree on: raw pointers
/// only.
namespace lathe {

/// Buffers of the vector kernels are on the stack.
inline constexpr int64_t kAttentionLargestHeadDim = 256;
/// Fresh tokens of one work item of attendBlock.
inline constexpr int64_t kAttentionBlock = 32;

struct AttentionArguments {
    const float* q = nullptr;      ///< [tokens, heads, headDim]
    const float* keys = nullptr;   ///< [past + tokens or more, kvHeads, headDim]
    const float* values = nullptr; ///< the same
    float* y = nullptr;            ///< [tokens, heads, headDim]
    int64_t tokens = 0, heads = 0, kvHeads = 0, headDim = 0, past = 0;
    int64_t rows = 0; ///< of the cache that the last token sees
    bool causal = true;
    float scale = 1.0F;
    const float* bias = nullptr; ///< distance 0 of the first head; null: none
    int64_t biasStride = 0;      ///< between heads
};

} // namespace lathe

namespace lathe::avx2 {
/// Query head `head` of tokens [from, from + kAttentionBlock), as far as there are tokens: tiles of
/// keys are transposed once for the whole block. For prefill.
void attendBlock(const AttentionArguments& a, int64_t head, int64_t from);
/// Query head `head` of one token: keys are read in place. For decoding.
void attendToken(const AttentionArguments& a, int64_t head, int64_t token);
} // namespace lathe::avx2

namespace lathe::avx512 {
void attendBlock(const AttentionArguments& a, int64_t head, int64_t from);
void attendToken(const AttentionArguments& a, int64_t head, int64_t token);
} // namespace lathe::avx512
