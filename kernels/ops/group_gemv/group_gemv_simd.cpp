// SPDX-License-Identifier: Apache-2.0
#include "kernels/ops/group_gemv/group_gemv_simd.h"

#include "kernels/simd/packed_chunk.h"
#include "kernels/simd/packed_lanes.h"

namespace lathe::LATHE_SIMD_NAMESPACE {

namespace {

/// scale * (code - zero) as one multiply-add: an F16 scale times an integer below 2^9 is exact in
/// F32, so this equals the scalar reference bit by bit.
struct Affine {
    Vec scale, offset;

    Affine(const GroupMatrix& w, int64_t row, int64_t group) {
        const float factor = _cvtsh_ss(w.scale[row * w.groups + group]);
        scale = Vec::set1(factor);
        offset = Vec::set1(-factor * static_cast<float>(w.zero[row * w.groups + group]));
    }

    template <int B>
    Vec weights(Ints codes) const {
        return fma(toVec(lowBits(codes, B)), scale, offset);
    }
};

inline const uint8_t* rowBytes(const GroupMatrix& w, int64_t row) {
    return reinterpret_cast<const uint8_t*>(w.packed + row * w.wordsPerRow);
}

inline int64_t groupEnd(const GroupMatrix& w, int64_t group) {
    const int64_t end = (group + 1) * w.groupSize;
    return end < w.in ? end : w.in;
}

/// Independent sums per activation row: enough to hide the latency of the multiply-add.
template <int R>
constexpr int kSums = R <= 2 ? 2 : 1;

template <int R, int Sum>
inline void multiplyChunk(Vec weights, const float* x, int64_t stride, Vec* sums) {
    LATHE_UNROLL
    for (int row = 0; row < R; ++row) {
        Vec& target = sums[row * kSums<R> + Sum];
        target = fma(weights, Vec::load(x + row * stride), target);
    }
}

/// The sums of one row of w against R rows of x, lane by lane.
template <int B, int R>
inline void
multiplyRow(const GroupGemvRows& op, const ChunkDecoder<B>& decoder, int64_t o, Vec* sums) {
    const GroupMatrix& w = op.w;
    const float* x = op.x;
    const uint8_t* bytes = rowBytes(w, o);
    const uint8_t* end = reinterpret_cast<const uint8_t*>(w.packedEnd);
    int64_t j = 0;
    for (int64_t group = 0; group < w.groups; ++group) {
        const Affine affine(w, o, group);
        const int64_t last = groupEnd(w, group);
        for (; j + 2 * kLanes <= last; j += 2 * kLanes, bytes += 2 * kChunkBytes<B>) {
            const Ints first = decoder.decode(bytes, end);
            const Ints second = decoder.decode(bytes + kChunkBytes<B>, end);
            multiplyChunk<R, 0>(affine.weights<B>(first), x + j, w.in, sums);
            multiplyChunk<R, kSums<R> - 1>(affine.weights<B>(second), x + j + kLanes, w.in, sums);
        }
        for (; j < last; j += kLanes, bytes += kChunkBytes<B>) {
            const int64_t left = last - j < kLanes ? last - j : kLanes;
            const Vec weights = affine.weights<B>(decoder.decode(bytes, end));
            for (int row = 0; row < R; ++row) {
                Vec& target = sums[row * kSums<R>];
                target = fma(weights, Vec::loadPartial(x + row * w.in + j, left), target);
            }
        }
    }
}

template <int B, int R>
void multiplyRows(const GroupGemvRows& op, int64_t from, int64_t to) {
    const ChunkDecoder<B> decoder;
    for (int64_t o = from; o < to; ++o) {
        Vec sums[R * kSums<R>];
        for (Vec& each : sums) {
            each = Vec::zero();
        }
        multiplyRow<B, R>(op, decoder, o, sums);
        for (int row = 0; row < R; ++row) {
            Vec total = sums[row * kSums<R>];
            if constexpr (kSums<R> == 2) {
                total = total + sums[row * 2 + 1];
            }
            op.y[row * op.out + o] = sum(total) + (op.bias != nullptr ? op.bias[o] : 0.0F);
        }
    }
}

/// Every number of rows has its own loop: the codes are decoded once for all of them.
template <int B>
void multiply(const GroupGemvRows& op, int64_t from, int64_t to) {
    using Rows = void (*)(const GroupGemvRows&, int64_t, int64_t);
    constexpr Rows kRows[] = {multiplyRows<B, 1>, multiplyRows<B, 2>, multiplyRows<B, 3>,
                              multiplyRows<B, 4>, multiplyRows<B, 5>, multiplyRows<B, 6>,
                              multiplyRows<B, 7>, multiplyRows<B, 8>};
    kRows[op.rows - 1](op, from, to);
}

template <int B>
void expand(const GroupDequantizeRows& op, int64_t from, int64_t to) {
    const ChunkDecoder<B> decoder;
    const GroupMatrix& w = op.w;
    const uint8_t* end = reinterpret_cast<const uint8_t*>(w.packedEnd);
    for (int64_t i = from; i < to; ++i) {
        const uint8_t* bytes = rowBytes(w, op.rowFrom + i);
        float* y = op.y + i * w.in;
        int64_t j = 0;
        for (int64_t group = 0; group < w.groups; ++group) {
            const Affine affine(w, op.rowFrom + i, group);
            const int64_t last = groupEnd(w, group);
            for (; j + kLanes <= last; j += kLanes, bytes += kChunkBytes<B>) {
                affine.weights<B>(decoder.decode(bytes, end)).store(y + j);
            }
            if (j < last) {
                affine.weights<B>(decoder.decode(bytes, end)).storePartial(y + j, last - j);
                j = last;
            }
        }
    }
}

using Multiply = void (*)(const GroupGemvRows&, int64_t, int64_t);
using Expand = void (*)(const GroupDequantizeRows&, int64_t, int64_t);
constexpr Multiply kMultiply[] = {multiply<1>, multiply<2>, multiply<3>, multiply<4>,
                                  multiply<5>, multiply<6>, multiply<7>, multiply<8>};
constexpr Expand kExpand[] = {expand<1>, expand<2>, expand<3>, expand<4>,
                              expand<5>, expand<6>, expand<7>, expand<8>};

} // namespace

void groupGemv(const GroupGemvRows& op, int64_t from, int64_t to) {
    kMultiply[op.w.bits - 1](op, from, to);
}

void groupDequantize(const GroupDequantizeRows& op, int64_t from, int64_t to) {
    kExpand[op.w.bits - 1](op, from, to);
}

} // namespace lathe::LATHE_SIMD_NAMESPACE
