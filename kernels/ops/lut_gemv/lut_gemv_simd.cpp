// SPDX-License-Identifier: Apache-2.0
#include "kernels/ops/lut_gemv/lut_gemv_simd.h"

#include "kernels/simd/lookup_table.h"
#include "kernels/simd/packed_chunk.h"
#include "kernels/simd/packed_lanes.h"

namespace lathe::LATHE_SIMD_NAMESPACE {

namespace {

/// Brings the codes of one tile into place: lane l gets the 8 codes (4 for more than 4 bits) that
/// begin at bit l * kCodes * B of the tile, the first one in its lowest bits.
template <int B>
class TileDecoder {
public:
    static constexpr int kCodes = B <= 4 ? 8 : 4;
    static constexpr int kTile = kLanes * kCodes;
    static constexpr int kWords = kTile * B / 32;

    TileDecoder() {
        alignas(64) int32_t words[kLanes];
        alignas(64) uint8_t bytes[4 * kLanes];
        alignas(64) int32_t shifts[kLanes];
        for (int lane = 0; lane < kLanes; ++lane) {
            // A byte shuffle stays within 4 lanes, so whole words come to their 4 lanes first.
            const int firstBit = (lane & ~3) * kCodes * B;
            words[lane] = firstBit / 32 + (lane & 3);
            words[lane] = words[lane] < kLanes ? words[lane] : kLanes - 1;
            const int bit = lane * kCodes * B - firstBit / 32 * 32;
            for (int i = 0; i < 4; ++i) {
                bytes[4 * lane + i] = static_cast<uint8_t>(bit / 8 + i < 16 ? bit / 8 + i : 0x80);
            }
            shifts[lane] = bit & 7;
        }
        m_words = *reinterpret_cast<const Ints*>(words);
        m_bytes = *reinterpret_cast<const Ints*>(bytes);
        m_shifts = *reinterpret_cast<const Ints*>(shifts);
    }

    /// @param words the first word of the tile  @param count how many words of the row are left
    Ints decode(const int32_t* words, int64_t count) const {
        const Ints raw = loadPartial(words, count < kWords ? count : kWords);
        if constexpr (B == 4) {
            return raw;
        } else {
            return spread(raw);
        }
    }

private:
#if defined(LATHE_SIMD_AVX512)
    Ints spread(Ints raw) const {
        const Ints moved = _mm512_shuffle_epi8(_mm512_permutexvar_epi32(m_words, raw), m_bytes);
        return B == 5 || B == 7 ? _mm512_srlv_epi32(moved, m_shifts) : moved;
    }
#else
    Ints spread(Ints raw) const {
        const Ints moved = _mm256_shuffle_epi8(_mm256_permutevar8x32_epi32(raw, m_words), m_bytes);
        return B == 5 || B == 7 ? _mm256_srlv_epi32(moved, m_shifts) : moved;
    }
#endif

    Ints m_words;
    Ints m_bytes;
    Ints m_shifts;
};

/// Independent sums per activation row: enough to hide the latency of the multiply-add.
template <int R>
constexpr int kSums = R == 1   ? 4
                      : R == 2 ? 2
                               : 1;

/// One tile against R activation rows. With Last, codes at or beyond `left` do not count, whatever
/// their table entry is.
template <int B, int R, bool Last>
inline void
multiplyTile(Ints codes, const LookupTable<B>& table, const float* x, int64_t left, Vec* sums) {
    constexpr int kCodes = TileDecoder<B>::kCodes;
    const Ints position = laneNumbersTimes(kCodes);
    LATHE_UNROLL
    for (int step = 0; step < kCodes; ++step) {
        Vec value = table.at(codes);
        if constexpr (Last) {
            value = keepBelow(value, position, left - step);
        }
        LATHE_UNROLL
        for (int row = 0; row < R; ++row) {
            Vec& target = sums[row * kSums<R> + step % kSums<R>];
            target = fma(value, Vec::load(x + (step * R + row) * kLanes), target);
        }
        codes = shiftRight<B>(codes);
    }
}

template <int B, int R>
void multiplyRows(const LutGemvRows& op, int64_t from, int64_t to) {
    using Decoder = TileDecoder<B>;
    constexpr int64_t kTileFloats = static_cast<int64_t>(Decoder::kTile) * R;
    const Decoder decoder;
    const int64_t whole = op.in / Decoder::kTile;
    for (int64_t o = from; o < to; ++o) {
        const LookupTable<B> table(op.table + (o << B));
        const int32_t* words = op.packed + o * op.wordsPerRow;
        Vec sums[R * kSums<R>];
        for (Vec& each : sums) {
            each = Vec::zero();
        }
        for (int64_t tile = 0; tile < whole; ++tile) {
            const Ints codes = decoder.decode(words + tile * Decoder::kWords, Decoder::kWords);
            multiplyTile<B, R, false>(codes, table, op.tiledX + tile * kTileFloats, 0, sums);
        }
        if (whole * Decoder::kTile < op.in) {
            const Ints codes = decoder.decode(
                words + whole * Decoder::kWords, op.wordsPerRow - whole * Decoder::kWords);
            multiplyTile<B, R, true>(
                codes, table, op.tiledX + whole * kTileFloats, op.in - whole * Decoder::kTile,
                sums);
        }
        for (int row = 0; row < op.rows; ++row) {
            Vec total = sums[row * kSums<R>];
            for (int i = 1; i < kSums<R>; ++i) {
                total = total + sums[row * kSums<R> + i];
            }
            op.y[row * op.out + o] = sum(total) + (op.bias != nullptr ? op.bias[o] : 0.0F);
        }
    }
}

template <int B>
void multiply(const LutGemvRows& op, int64_t from, int64_t to) {
    switch (op.paddedRows) {
    case 1:
        return multiplyRows<B, 1>(op, from, to);
    case 2:
        return multiplyRows<B, 2>(op, from, to);
    case 4:
        return multiplyRows<B, 4>(op, from, to);
    default:
        return multiplyRows<B, 8>(op, from, to);
    }
}

template <int B>
void expand(const LutDequantizeRows& op, int64_t from, int64_t to) {
    const ChunkDecoder<B> decoder;
    const uint8_t* end = reinterpret_cast<const uint8_t*>(op.packedEnd);
    for (int64_t i = from; i < to; ++i) {
        const int64_t o = op.rowFrom + i;
        const LookupTable<B> table(op.table + (o << B));
        const uint8_t* bytes = reinterpret_cast<const uint8_t*>(op.packed + o * op.wordsPerRow);
        float* w = op.w + i * op.in;
        int64_t j = 0;
        for (; j + kLanes <= op.in; j += kLanes, bytes += kChunkBytes<B>) {
            table.at(decoder.decode(bytes, end)).store(w + j);
        }
        if (j < op.in) {
            table.at(decoder.decode(bytes, end)).storePartial(w + j, op.in - j);
        }
    }
}

using Multiply = void (*)(const LutGemvRows&, int64_t, int64_t);
using Expand = void (*)(const LutDequantizeRows&, int64_t, int64_t);
constexpr Multiply kMultiply[] = {multiply<1>, multiply<2>, multiply<3>, multiply<4>,
                                  multiply<5>, multiply<6>, multiply<7>, multiply<8>};
constexpr Expand kExpand[] = {expand<1>, expand<2>, expand<3>, expand<4>,
                              expand<5>, expand<6>, expand<7>, expand<8>};

} // namespace

void lutGemv(const LutGemvRows& op, int64_t from, int64_t to) {
    kMultiply[op.bits - 1](op, from, to);
}

void lutDequantize(const LutDequantizeRows& op, int64_t from, int64_t to) {
    kExpand[op.bits - 1](op, from, to);
}

} // namespace lathe::LATHE_SIMD_NAMESPACE
