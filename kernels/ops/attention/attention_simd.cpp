// SPDX-License-Identifier: Apache-2.0
#include "kernels/ops/attention/attention_simd.h"

#include "kernels/simd/vec_math.h"

/// Softmax over tiles of keys, one pass: a query keeps the largest score so far, the sum of its
/// weights and the weighted values, and rescales them when a tile brings a larger score
/// (arXiv 2112.05682, as in FlashAttention).
namespace lathe::LATHE_SIMD_NAMESPACE {

namespace {

constexpr int64_t kWidth = Vec::kWidth;
/// Keys per tile.
constexpr int64_t kTile = 4 * kWidth;
/// Queries whose scores or values are in registers together.
constexpr int kTogether = Vec::kWidth == 16 ? 4 : 2;

/// What one query has gathered.
struct Query {
    float largest = -HUGE_VALF;
    float total = 0.0F;
    int64_t seen = 0; ///< keys of the current tile that it sees
    float scores[kTile];
    float values[kAttentionLargestHeadDim];
};

struct Block {
    float keys[kAttentionLargestHeadDim * kTile]; ///< [headDim][kTile]
    Query queries[kAttentionBlock];
};

const float* rowOf(const AttentionArguments& a, const float* base, int64_t head, int64_t row) {
    const int64_t kvHead = head / (a.heads / a.kvHeads);
    return base + (row * a.kvHeads + kvHead) * a.headDim;
}

const float* queryOf(const AttentionArguments& a, int64_t head, int64_t token) {
    return a.q + (token * a.heads + head) * a.headDim;
}

/// Rows that a token sees.
int64_t visibleTo(const AttentionArguments& a, int64_t token) {
    return a.causal ? a.past + token + 1 : a.rows;
}

/// What is added to the scores of the keys from row `first` on; null: nothing.
const float* biasOf(const AttentionArguments& a, int64_t head, int64_t token, int64_t first) {
    return a.bias == nullptr ? nullptr : a.bias + head * a.biasStride + first - (a.past + token);
}

void start(const AttentionArguments& a, Query& query) {
    query.largest = -HUGE_VALF;
    query.total = 0.0F;
    for (int64_t d = 0; d < a.headDim; ++d) {
        query.values[d] = 0.0F;
    }
}

void finish(const AttentionArguments& a, const Query& query, int64_t head, int64_t token) {
    float* y = a.y + (token * a.heads + head) * a.headDim;
    const float factor = 1.0F / query.total;
    for (int64_t d = 0; d < a.headDim; ++d) {
        y[d] = query.values[d] * factor;
    }
}

/// Turns the scores of the tile into weights and rescales what was gathered before.
/// @param bias of the tile's keys, as many as the query sees; may be null.
void softmaxTile(const AttentionArguments& a, Query& query, const float* bias) {
    const Vec scale = Vec::set1(a.scale);
    for (int64_t k = query.seen; k < kTile; ++k) {
        query.scores[k] = -HUGE_VALF;
    }
    Vec scores[kTile / kWidth];
    Vec top = Vec::set1(query.largest);
    for (int64_t i = 0; i < kTile / kWidth; ++i) {
        scores[i] = Vec::load(query.scores + i * kWidth);
        const int64_t left = query.seen - i * kWidth;
        // A negative scale must not turn the filling into plus infinity.
        if (left < kWidth) {
            const int64_t some = left > 0 ? left : 0;
            const Vec added = bias == nullptr || some == 0
                                  ? Vec::zero()
                                  : Vec::loadPartial(bias + i * kWidth, some);
            fma(scores[i], scale, added).storePartial(query.scores + i * kWidth, some);
            scores[i] = Vec::load(query.scores + i * kWidth);
        } else {
            const Vec added = bias == nullptr ? Vec::zero() : Vec::load(bias + i * kWidth);
            scores[i] = fma(scores[i], scale, added);
        }
        top = max(scores[i], top);
    }
    const float largest = maximum(top);
    const Vec shift = Vec::set1(largest);
    Vec total = Vec::zero();
    for (int64_t i = 0; i < kTile / kWidth; ++i) {
        const Vec weight = exponential(scores[i] - shift);
        weight.store(query.scores + i * kWidth);
        total = total + weight;
    }
    if (largest > query.largest) {
        const Vec factor = exponential(Vec::set1(query.largest - largest));
        float rescale[kWidth];
        factor.store(rescale);
        query.total *= rescale[0];
        for (int64_t d = 0; d < a.headDim; ++d) {
            query.values[d] *= rescale[0];
        }
        query.largest = largest;
    }
    query.total += sum(total);
}

/// scores = q . keys for Count queries against the transposed tile.
template <int Count>
void scoreTile(const AttentionArguments& a, Block& block, Query* queries, const float* q) {
    const int64_t stride = a.heads * a.headDim;
    Vec sums[Count][4];
    LATHE_UNROLL
    for (int i = 0; i < Count; ++i) {
        LATHE_UNROLL
        for (int j = 0; j < 4; ++j) {
            sums[i][j] = Vec::zero();
        }
    }
    for (int64_t d = 0; d < a.headDim; ++d) {
        Vec keys[4];
        LATHE_UNROLL
        for (int j = 0; j < 4; ++j) {
            keys[j] = Vec::load(block.keys + d * kTile + j * kWidth);
        }
        LATHE_UNROLL
        for (int i = 0; i < Count; ++i) {
            const Vec element = Vec::set1(q[i * stride + d]);
            LATHE_UNROLL
            for (int j = 0; j < 4; ++j) {
                sums[i][j] = fma(element, keys[j], sums[i][j]);
            }
        }
    }
    LATHE_UNROLL
    for (int i = 0; i < Count; ++i) {
        LATHE_UNROLL
        for (int j = 0; j < 4; ++j) {
            sums[i][j].store(queries[i].scores + j * kWidth);
        }
    }
}

/// values[d ..] += weights . V[.., d ..] for Count queries and Vectors vectors of the head; the
/// last vector of a head may be a partial one.
template <int Count, int Vectors, bool Partial>
void gatherColumns(
    const AttentionArguments& a, Query* queries, const float* values, int64_t seen, int64_t d) {
    const int64_t stride = a.kvHeads * a.headDim;
    const int64_t rest = a.headDim - d;
    Vec sums[Count][Vectors];
    LATHE_UNROLL
    for (int i = 0; i < Count; ++i) {
        LATHE_UNROLL
        for (int j = 0; j < Vectors; ++j) {
            const float* from = queries[i].values + d + j * kWidth;
            sums[i][j] = Partial ? Vec::loadPartial(from, rest) : Vec::load(from);
        }
    }
    for (int64_t k = 0; k < seen; ++k) {
        const float* row = values + k * stride + d;
        LATHE_UNROLL
        for (int j = 0; j < Vectors; ++j) {
            const Vec value = Partial ? Vec::loadPartial(row, rest) : Vec::load(row + j * kWidth);
            LATHE_UNROLL
            for (int i = 0; i < Count; ++i) {
                sums[i][j] = fma(Vec::set1(queries[i].scores[k]), value, sums[i][j]);
            }
        }
    }
    LATHE_UNROLL
    for (int i = 0; i < Count; ++i) {
        LATHE_UNROLL
        for (int j = 0; j < Vectors; ++j) {
            float* to = queries[i].values + d + j * kWidth;
            if constexpr (Partial) {
                sums[i][j].storePartial(to, rest);
            } else {
                sums[i][j].store(to);
            }
        }
    }
}

template <int Count>
void gatherTile(const AttentionArguments& a, Query* queries, const float* values, int64_t seen) {
    int64_t d = 0;
    for (; d + 4 * kWidth <= a.headDim; d += 4 * kWidth) {
        gatherColumns<Count, 4, false>(a, queries, values, seen, d);
    }
    for (; d + kWidth <= a.headDim; d += kWidth) {
        gatherColumns<Count, 1, false>(a, queries, values, seen, d);
    }
    if (d < a.headDim) {
        gatherColumns<Count, 1, true>(a, queries, values, seen, d);
    }
}

/// Tile of `count` keys from row `first` on, transposed; zeros behind them.
void transposeKeys(
    const AttentionArguments& a, Block& block, int64_t head, int64_t first, int64_t count) {
    for (int64_t k = 0; k < kTile; ++k) {
        const float* key = rowOf(a, a.keys, head, k < count ? first + k : first);
        for (int64_t d = 0; d < a.headDim; ++d) {
            block.keys[d * kTile + k] = k < count ? key[d] : 0.0F;
        }
    }
}

/// Queries [i, i + Count) of the block against the tile at row `first`.
template <int Count>
void attendTile(
    const AttentionArguments& a, Block& block, int64_t head, int64_t token, int64_t first) {
    Query* queries = block.queries + token % kAttentionBlock;
    int64_t most = 0;
    for (int i = 0; i < Count; ++i) {
        const int64_t visible = visibleTo(a, token + i) - first;
        queries[i].seen = visible < 0 ? 0 : (visible < kTile ? visible : kTile);
        most = queries[i].seen > most ? queries[i].seen : most;
    }
    if (most == 0) {
        return;
    }
    scoreTile<Count>(a, block, queries, queryOf(a, head, token));
    for (int i = 0; i < Count; ++i) {
        if (queries[i].seen > 0) {
            softmaxTile(a, queries[i], biasOf(a, head, token + i, first));
        } else {
            for (float& score : queries[i].scores) {
                score = 0.0F;
            }
        }
    }
    gatherTile<Count>(a, queries, rowOf(a, a.values, head, first), most);
}

/// Scores of `count` keys from row `first` on, read in place, four at a time.
void scoreRows(
    const AttentionArguments& a, Query& query, const float* q, const float* keys, int64_t count) {
    const int64_t stride = a.kvHeads * a.headDim;
    for (int64_t k = 0; k < count; k += 4) {
        // The last group repeats its last row instead of reading beyond the cache.
        const float* rows[4];
        for (int64_t i = 0; i < 4; ++i) {
            rows[i] = keys + (k + i < count ? k + i : count - 1) * stride;
        }
        Vec sums[4] = {Vec::zero(), Vec::zero(), Vec::zero(), Vec::zero()};
        int64_t d = 0;
        for (; d + kWidth <= a.headDim; d += kWidth) {
            const Vec part = Vec::load(q + d);
            LATHE_UNROLL
            for (int i = 0; i < 4; ++i) {
                sums[i] = fma(part, Vec::load(rows[i] + d), sums[i]);
            }
        }
        if (const int64_t rest = a.headDim - d; rest > 0) {
            const Vec part = Vec::loadPartial(q + d, rest);
            LATHE_UNROLL
            for (int i = 0; i < 4; ++i) {
                sums[i] = fma(part, Vec::loadPartial(rows[i] + d, rest), sums[i]);
            }
        }
        sum4(sums[0], sums[1], sums[2], sums[3], query.scores + k);
    }
}

} // namespace

void attendBlock(const AttentionArguments& a, int64_t head, int64_t from) {
    alignas(64) Block block;
    const int64_t to = from + kAttentionBlock < a.tokens ? from + kAttentionBlock : a.tokens;
    for (int64_t token = from; token < to; ++token) {
        start(a, block.queries[token - from]);
    }
    const int64_t rows = visibleTo(a, to - 1);
    for (int64_t first = 0; first < rows; first += kTile) {
        transposeKeys(a, block, head, first, rows - first < kTile ? rows - first : kTile);
        int64_t token = from;
        for (; token + kTogether <= to; token += kTogether) {
            attendTile<kTogether>(a, block, head, token, first);
        }
        for (; token < to; ++token) {
            attendTile<1>(a, block, head, token, first);
        }
    }
    for (int64_t token = from; token < to; ++token) {
        finish(a, block.queries[token - from], head, token);
    }
}

void attendToken(const AttentionArguments& a, int64_t head, int64_t token) {
    alignas(64) Query query;
    start(a, query);
    const int64_t rows = visibleTo(a, token);
    const float* q = queryOf(a, head, token);
    for (int64_t first = 0; first < rows; first += kTile) {
        query.seen = rows - first < kTile ? rows - first : kTile;
        scoreRows(a, query, q, rowOf(a, a.keys, head, first), query.seen);
        softmaxTile(a, query, biasOf(a, head, token, first));
        gatherTile<1>(a, &query, rowOf(a, a.values, head, first), query.seen);
    }
    finish(a, query, head, token);
}

} // namespace lathe::LATHE_SIMD_NAMESPACE
