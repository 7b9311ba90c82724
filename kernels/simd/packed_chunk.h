// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "kernels/simd/packed_lanes.h"

/// Codes in their natural order: kLanes consecutive codes begin at a whole byte for every width, so
/// one byte shuffle and one variable shift bring each code to its lane.
namespace lathe::LATHE_SIMD_NAMESPACE {

/// Bytes of kLanes codes of B bits.
template <int B>
constexpr int kChunkBytes = kLanes * B / 8;

/// Per-lane selectors of the two bytes that hold a code, and its bit in them.
template <int B>
class ChunkDecoder {
public:
    ChunkDecoder() {
        alignas(64) uint8_t bytes[4 * kLanes];
        alignas(64) int32_t shifts[kLanes];
        for (int lane = 0; lane < kLanes; ++lane) {
            const int bit = B * lane;
            const bool straddles = (bit & 7) + B > 8;
            bytes[4 * lane] = static_cast<uint8_t>(bit >> 3);
            bytes[4 * lane + 1] = straddles ? static_cast<uint8_t>((bit >> 3) + 1) : kNothing;
            bytes[4 * lane + 2] = kNothing;
            bytes[4 * lane + 3] = kNothing;
            shifts[lane] = bit & 7;
        }
        m_bytes = *reinterpret_cast<const Ints*>(bytes);
        m_shifts = *reinterpret_cast<const Ints*>(shifts);
    }

    /// kLanes codes from `from`, each in the low B bits of its lane, other bits undefined. Reads no
    /// byte at or beyond `end`.
    Ints decode(const uint8_t* from, const uint8_t* end) const {
        return spread(
            end - from >= 16 ? _mm_loadu_si128(reinterpret_cast<const __m128i*>(from))
                             : loadLast(from, end));
    }

private:
    static constexpr uint8_t kNothing = 0x80;

    static __m128i loadLast(const uint8_t* from, const uint8_t* end) {
        alignas(16) uint8_t padded[16] = {};
        for (int i = 0; i < 16 && from + i < end; ++i) {
            padded[i] = from[i];
        }
        return _mm_load_si128(reinterpret_cast<const __m128i*>(padded));
    }

#if defined(LATHE_SIMD_AVX512)
    Ints spread(__m128i raw) const {
        return _mm512_srlv_epi32(
            _mm512_shuffle_epi8(_mm512_broadcast_i32x4(raw), m_bytes), m_shifts);
    }
#else
    Ints spread(__m128i raw) const {
        return _mm256_srlv_epi32(
            _mm256_shuffle_epi8(_mm256_broadcastsi128_si256(raw), m_bytes), m_shifts);
    }
#endif

    Ints m_bytes;
    Ints m_shifts;
};

} // namespace lathe::LATHE_SIMD_NAMESPACE
