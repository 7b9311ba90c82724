// SPDX-License-Identifier: Apache-2.0
#include "kernels/ops/attention_gradient/attention_gradient_simd.h"

#include "kernels/simd/vec_math.h"

/// Rows of scores and of their gradients for a few queries at a time, over keys and values that are
/// transposed once per key head.
namespace lathe::LATHE_SIMD_NAMESPACE {

namespace {

constexpr int64_t kWidth = Vec::kWidth;
constexpr int kQueries = static_cast<int>(kAttentionGradientQueries);
/// Vectors of keys that are in registers together.
constexpr int kTogether = Vec::kWidth == 16 ? 4 : 2;
static_assert(64 % (kTogether * kWidth) == 0, "padded rows are whole tiles");

/// A few queries of one head.
struct Queries {
    const float* q = nullptr;  ///< of the first one; the next is `stride` behind
    const float* dy = nullptr; ///< the same
    float* dq = nullptr;       ///< the same
    int64_t stride = 0;
    int64_t first = 0;          ///< token of the first one
    int64_t count = 0;          ///< 1 .. kQueries
    float* weights = nullptr;   ///< [kQueries, padded] probabilities
    float* gradients = nullptr; ///< [kQueries, padded] gradients of the unscaled scores
};

/// The rows of one key head.
struct Keys {
    const float* keys = nullptr;
    const float* values = nullptr;
    float* dkeys = nullptr;
    float* dvalues = nullptr;
    int64_t stride = 0;            ///< between tokens
    float* turnedKeys = nullptr;   ///< [headDim, padded]
    float* turnedValues = nullptr; ///< [headDim, padded]
};

/// to[i] = from[i] . matrix for all queries, over columns [0, columns) in whole tiles.
void multiplyRows(
    const Queries& queries, const float* from, const float* matrix, float* to, int64_t headDim,
    int64_t padded) {
    const int64_t columns = queries.first + queries.count;
    for (int64_t j = 0; j < columns; j += kTogether * kWidth) {
        Vec sums[kQueries][kTogether];
        LATHE_UNROLL
        for (int i = 0; i < kQueries; ++i) {
            LATHE_UNROLL
            for (int k = 0; k < kTogether; ++k) {
                sums[i][k] = Vec::zero();
            }
        }
        for (int64_t d = 0; d < headDim; ++d) {
            Vec row[kTogether];
            LATHE_UNROLL
            for (int k = 0; k < kTogether; ++k) {
                row[k] = Vec::load(matrix + d * padded + j + k * kWidth);
            }
            LATHE_UNROLL
            for (int i = 0; i < kQueries; ++i) {
                // A query that is not there repeats the first one; its row is not used.
                const Vec element =
                    Vec::set1(from[(i < queries.count ? i : 0) * queries.stride + d]);
                LATHE_UNROLL
                for (int k = 0; k < kTogether; ++k) {
                    sums[i][k] = fma(element, row[k], sums[i][k]);
                }
            }
        }
        LATHE_UNROLL
        for (int i = 0; i < kQueries; ++i) {
            LATHE_UNROLL
            for (int k = 0; k < kTogether; ++k) {
                sums[i][k].store(to + i * padded + j + k * kWidth);
            }
        }
    }
}

/// Scores to probabilities and gradients of probabilities to gradients of scores, for one query
/// that sees `visible` keys; zeros behind them.
void softmaxGradient(
    float* scores, float* gradients, int64_t visible, int64_t columns, float scale) {
    float largest = -HUGE_VALF;
    for (int64_t j = 0; j < visible; ++j) {
        scores[j] *= scale;
        largest = scores[j] > largest ? scores[j] : largest;
    }
    for (int64_t j = visible; j < columns; ++j) {
        scores[j] = -HUGE_VALF;
        gradients[j] = 0.0F;
    }
    const Vec shift = Vec::set1(largest);
    Vec total = Vec::zero();
    for (int64_t j = 0; j < columns; j += kWidth) {
        const Vec weight = exponential(Vec::load(scores + j) - shift);
        weight.store(scores + j);
        total = total + weight;
    }
    const Vec factor = Vec::set1(1.0F / sum(total));
    Vec mixed = Vec::zero();
    for (int64_t j = 0; j < columns; j += kWidth) {
        const Vec weight = Vec::load(scores + j) * factor;
        weight.store(scores + j);
        mixed = fma(weight, Vec::load(gradients + j), mixed);
    }
    const Vec mean = Vec::set1(sum(mixed));
    for (int64_t j = 0; j < columns; j += kWidth) {
        const Vec weight = Vec::load(scores + j) * Vec::set1(scale);
        (weight * (Vec::load(gradients + j) - mean)).store(gradients + j);
    }
}

Vec loadUpTo(const float* p, int64_t rest) {
    return rest < kWidth ? Vec::loadPartial(p, rest) : Vec::load(p);
}

void storeUpTo(Vec v, float* p, int64_t rest) {
    if (rest < kWidth) {
        v.storePartial(p, rest);
    } else {
        v.store(p);
    }
}

/// dq = gradients . keys, dkeys += gradients^T . q, dvalues += weights^T . dy.
void gather(const Queries& queries, const Keys& keys, int64_t headDim, int64_t padded) {
    const int64_t columns = queries.first + queries.count;
    for (int64_t d = 0; d < headDim; d += kWidth) {
        const int64_t rest = headDim - d;
        Vec q[kQueries];
        Vec dy[kQueries];
        Vec dq[kQueries];
        for (int i = 0; i < kQueries; ++i) {
            const bool there = i < queries.count;
            q[i] = there ? loadUpTo(queries.q + i * queries.stride + d, rest) : Vec::zero();
            dy[i] = there ? loadUpTo(queries.dy + i * queries.stride + d, rest) : Vec::zero();
            dq[i] = Vec::zero();
        }
        for (int64_t j = 0; j < columns; ++j) {
            const int64_t at = j * keys.stride + d;
            const Vec key = loadUpTo(keys.keys + at, rest);
            Vec dkey = loadUpTo(keys.dkeys + at, rest);
            Vec dvalue = loadUpTo(keys.dvalues + at, rest);
            LATHE_UNROLL
            for (int i = 0; i < kQueries; ++i) {
                const Vec gradient = Vec::set1(queries.gradients[i * padded + j]);
                dq[i] = fma(gradient, key, dq[i]);
                dkey = fma(gradient, q[i], dkey);
                dvalue = fma(Vec::set1(queries.weights[i * padded + j]), dy[i], dvalue);
            }
            storeUpTo(dkey, keys.dkeys + at, rest);
            storeUpTo(dvalue, keys.dvalues + at, rest);
        }
        for (int64_t i = 0; i < queries.count; ++i) {
            storeUpTo(dq[i], queries.dq + i * queries.stride + d, rest);
        }
    }
}

/// Zeroes what is added to, and turns keys and values.
void prepare(const AttentionGradientArguments& a, const Keys& keys, int64_t padded) {
    for (int64_t d = 0; d < a.headDim; ++d) {
        for (int64_t j = 0; j < padded; ++j) {
            const bool there = j < a.tokens;
            keys.turnedKeys[d * padded + j] = there ? keys.keys[j * keys.stride + d] : 0.0F;
            keys.turnedValues[d * padded + j] = there ? keys.values[j * keys.stride + d] : 0.0F;
        }
    }
    for (int64_t j = 0; j < a.tokens; ++j) {
        for (int64_t d = 0; d < a.headDim; ++d) {
            keys.dkeys[j * keys.stride + d] = 0.0F;
            keys.dvalues[j * keys.stride + d] = 0.0F;
        }
    }
}

} // namespace

void attentionGradient(const AttentionGradientArguments& a, int64_t kvHead, float* scratch) {
    const int64_t padded = attentionGradientPadded(a.tokens);
    const int64_t at = kvHead * a.headDim;
    const Keys keys{
        a.keys + at,
        a.values + at,
        a.dkeys + at,
        a.dvalues + at,
        a.kvHeads * a.headDim,
        scratch,
        scratch + a.headDim * padded};
    prepare(a, keys, padded);
    Queries queries;
    queries.weights = scratch + 2 * a.headDim * padded;
    queries.gradients = queries.weights + kQueries * padded;
    queries.stride = a.heads * a.headDim;
    const int64_t group = a.heads / a.kvHeads;
    for (int64_t head = kvHead * group; head < (kvHead + 1) * group; ++head) {
        for (int64_t token = 0; token < a.tokens; token += kQueries) {
            const int64_t offset = token * queries.stride + head * a.headDim;
            queries.q = a.q + offset;
            queries.dy = a.dy + offset;
            queries.dq = a.dq + offset;
            queries.first = token;
            queries.count = a.tokens - token < kQueries ? a.tokens - token : kQueries;
            multiplyRows(queries, queries.q, keys.turnedKeys, queries.weights, a.headDim, padded);
            multiplyRows(
                queries, queries.dy, keys.turnedValues, queries.gradients, a.headDim, padded);
            const int64_t columns = (token + queries.count + kWidth - 1) / kWidth * kWidth;
            for (int64_t i = 0; i < kQueries; ++i) {
                const int64_t seen = i < queries.count ? token + i + 1 : 1;
                softmaxGradient(
                    queries.weights + i * padded, queries.gradients + i * padded, seen, columns,
                    a.scale);
            }
            gather(queries, keys, a.headDim, padded);
        }
    }
}

} // namespace lathe::LATHE_SIMD_NAMESPACE
