// SPDX-License-Identifier: Apache-2.0
#include "kernels/ops/attention/attention.h"

#include "kernels/core/arguments.h"
#include "kernels/core/dispatch.h"
#include "kernels/ops/attention/attention_simd.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>
#include <string>

namespace lathe {

#ifdef LATHE_HAVE_CUDA
namespace cuda {
void launch(ExecContext& context, const Attention& op);
}
#endif

namespace {

/// Multiplications that are worth waking another thread for.
constexpr std::int64_t kGrain = 65536;
/// What an item takes however few keys there are, in multiplications: a tile of exponentials.
constexpr std::int64_t kItemCost = 4096;
/// Fresh tokens from which on transposed tiles of keys are worth it. Fewer are computed as each
/// would be alone, bit for bit, as products of so few rows are.
constexpr std::int64_t kFewestForBlocks = 33;

double dot(const float* a, const float* b, std::int64_t count) {
    double sum = 0.0;
    for (std::int64_t i = 0; i < count; ++i) {
        sum += static_cast<double>(a[i]) * static_cast<double>(b[i]);
    }
    return sum;
}

/// y = softmax(scale * q K^T) V for one query head of one token; `seen` rows of the cache. The
/// scores are computed once per pass instead of stored: the reference needs no memory of its own.
void attendScalar(const Attention& op, std::int64_t token, std::int64_t head, std::int64_t seen) {
    const std::int64_t heads = op.q.shape[1];
    const std::int64_t kvHeads = op.keys.shape[1];
    const std::int64_t headDim = op.q.shape[2];
    const std::int64_t kvHead = head / (heads / kvHeads);
    const float* q = op.q.ptr<float>() + (token * heads + head) * headDim;
    const float* keys = op.keys.ptr<float>() + kvHead * headDim;
    const float* values = op.values.ptr<float>() + kvHead * headDim;
    const std::int64_t stride = kvHeads * headDim;
    const float* bias = op.bias.empty() ? nullptr
                                        : op.bias.ptr<float>() + head * op.bias.shape[1] +
                                              op.biasOrigin - (op.past + token);
    const auto score = [&](std::int64_t row) {
        return static_cast<double>(op.scale) * dot(q, keys + row * stride, headDim) +
               (bias == nullptr ? 0.0 : static_cast<double>(bias[row]));
    };
    double largest = -std::numeric_limits<double>::infinity();
    for (std::int64_t row = 0; row < seen; ++row) {
        largest = std::max(largest, score(row));
    }
    double total = 0.0;
    for (std::int64_t row = 0; row < seen; ++row) {
        total += std::exp(score(row) - largest);
    }
    float* y = op.y.ptr<float>() + (token * heads + head) * headDim;
    std::fill_n(y, headDim, 0.0F);
    for (std::int64_t row = 0; row < seen; ++row) {
        const auto weight = static_cast<float>(std::exp(score(row) - largest) / total);
        for (std::int64_t i = 0; i < headDim; ++i) {
            y[i] += weight * values[row * stride + i];
        }
    }
}

void attentionScalar(ExecContext&, const Attention& op) {
    for (std::int64_t token = 0; token < op.q.shape[0]; ++token) {
        for (std::int64_t head = 0; head < op.q.shape[1]; ++head) {
            attendScalar(op, token, head, op.causal ? op.past + token + 1 : op.keys.shape[0]);
        }
    }
}

AttentionArguments argumentsOf(const Attention& op) {
    return {
        .q = op.q.ptr<float>(),
        .keys = op.keys.ptr<float>(),
        .values = op.values.ptr<float>(),
        .y = op.y.ptr<float>(),
        .tokens = op.q.shape[0],
        .heads = op.q.shape[1],
        .kvHeads = op.keys.shape[1],
        .headDim = op.q.shape[2],
        .past = op.past,
        .rows = op.causal ? op.past + op.q.shape[0] : op.keys.shape[0],
        .causal = op.causal,
        .scale = op.scale,
        .bias = op.bias.empty() ? nullptr : op.bias.ptr<float>() + op.biasOrigin,
        .biasStride = op.bias.empty() ? 0 : op.bias.shape[1],
    };
}

/// Work items are (head, token) or (head, block of tokens), the ones that see most keys first, so
/// that the last pieces are small and no thread is left with a long one.
template <auto Token, auto Block>
void attentionSimd(ExecContext& context, const Attention& op) {
    const AttentionArguments a = argumentsOf(op);
    const bool blocks = a.tokens >= kFewestForBlocks;
    const std::int64_t size = blocks ? kAttentionBlock : 1;
    const std::int64_t groups = (a.tokens + size - 1) / size;
    const std::int64_t cost = size * (2 * a.rows * a.headDim + kItemCost);
    const std::int64_t grain = std::max<std::int64_t>(1, kGrain / cost);
    const auto slice = [&](std::int64_t from, std::int64_t to) {
        for (std::int64_t item = from; item < to; ++item) {
            const std::int64_t token = (groups - 1 - item / a.heads) * size;
            (blocks ? Block : Token)(a, item % a.heads, token);
        }
    };
    context.pool().parallelFor(groups * a.heads, grain, std::cref(slice)); // allocates nothing
}

/// Columns that the first query's furthest key back and the last one's furthest ahead need.
void checkBias(const Arguments& arguments, const Attention& op) {
    if (op.bias.empty()) {
        return;
    }
    arguments.rank("bias", op.bias, 2);
    arguments.f32("bias", op.bias, {op.q.shape[1], op.bias.shape[1]});
    const std::int64_t tokens = op.q.shape[0];
    const std::int64_t back = op.past + tokens - 1;
    const std::int64_t ahead = op.causal ? 0 : op.keys.shape[0] - 1 - op.past;
    LATHE_CHECK(
        tokens == 0 || (op.biasOrigin >= back && op.biasOrigin < op.bias.shape[1] &&
                        ahead < op.bias.shape[1] - op.biasOrigin),
        "attention: bias is " + op.bias.shape.text() + " with distance 0 at " +
            std::to_string(op.biasOrigin) + ", distances from -" + std::to_string(back) + " to " +
            std::to_string(ahead) + " are needed");
}

bool fitsSimd(const Attention& op) { return op.q.shape[2] <= kAttentionLargestHeadDim; }

} // namespace

template <>
std::span<const Kernel<Attention>> kernelsOf<Attention>() {
    static constexpr Kernel<Attention> kTable[] = {
#ifdef LATHE_HAVE_CUDA
        {Target::Cuda, "cuda", cuda::launch},
#endif
        {Target::Avx512, "avx512", attentionSimd<avx512::attendToken, avx512::attendBlock>,
         fitsSimd},
        {Target::Avx2, "avx2", attentionSimd<avx2::attendToken, avx2::attendBlock>, fitsSimd},
        {Target::Scalar, "scalar", attentionScalar},
    };
    return kTable;
}

void run(ExecContext& context, const Attention& op) {
    const Arguments arguments("attention", context.device());
    arguments.rank("q", op.q, 3);
    arguments.rank("keys", op.keys, 3);
    const std::int64_t tokens = op.q.shape[0];
    const std::int64_t heads = op.q.shape[1];
    const std::int64_t kvHeads = op.keys.shape[1];
    const std::int64_t capacity = op.keys.shape[0];
    arguments.f32("q", op.q, op.q.shape);
    arguments.f32("keys", op.keys, {capacity, kvHeads, op.q.shape[2]});
    arguments.f32("values", op.values, op.keys.shape);
    arguments.f32("y", op.y, op.q.shape);
    LATHE_CHECK(
        kvHeads > 0 ? heads % kvHeads == 0 : heads == 0,
        "attention: q is " + op.q.shape.text() + ", keys are " + op.keys.shape.text() +
            "; the query heads are not a multiple of the key heads");
    LATHE_CHECK(
        op.causal ? op.past >= 0 && op.past <= capacity && tokens <= capacity - op.past
                  : op.past == 0 && (capacity > 0 || tokens == 0),
        "attention: past is " + std::to_string(op.past) + ", q is " + op.q.shape.text() +
            ", but keys are " + op.keys.shape.text() + (op.causal ? "" : ", not causal"));
    checkBias(arguments, op);
    arguments.disjoint("y", op.y, "keys", op.keys);
    arguments.disjoint("y", op.y, "values", op.values);
    arguments.disjoint("y", op.y, "q", op.q);
    if (op.y.elementCount() > 0) {
        dispatch(context, op, "attention");
    }
}

} // namespace lathe
