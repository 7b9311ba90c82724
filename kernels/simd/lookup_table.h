// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "kernels/simd/packed_lanes.h"

/// The table of one row, held in registers as far as it fits and read by lane permutes: no load per
/// code. Only the low B bits of an index count.
namespace lathe::LATHE_SIMD_NAMESPACE {

/// The 2^B <= kLanes entries, repeated to fill the lanes: a permute then ignores the upper bits.
template <int B>
inline Vec repeatedTable(const uint16_t* halves) {
    constexpr int kEntries = 1 << B;
    alignas(32) uint16_t all[kLanes];
    for (int lane = 0; lane < kLanes; ++lane) {
        all[lane] = halves[lane & (kEntries - 1)];
    }
    return Vec::loadHalf(all);
}

#if defined(LATHE_SIMD_AVX512)

constexpr int kRegisterTableBits = 8;

template <int B>
inline Vec lookUp(const Vec* table, Ints index) {
    if constexpr (B <= 4) {
        return {_mm512_permutexvar_ps(index, table[0].v)};
    } else if constexpr (B == 5) {
        return {_mm512_permutex2var_ps(table[0].v, index, table[1].v)};
    } else {
        const __mmask16 upper = _mm512_test_epi32_mask(index, _mm512_set1_epi32(1 << (B - 1)));
        return {_mm512_mask_blend_ps(
            upper, lookUp<B - 1>(table, index).v,
            lookUp<B - 1>(table + (1 << (B - 1)) / kLanes, index).v)};
    }
}

#else

constexpr int kRegisterTableBits = 5;

template <int B>
inline Vec lookUp(const Vec* table, Ints index) {
    if constexpr (B <= 3) {
        return {_mm256_permutevar8x32_ps(table[0].v, index)};
    } else {
        const __m256 upper = _mm256_castsi256_ps(_mm256_slli_epi32(index, 32 - B));
        return {_mm256_blendv_ps(
            lookUp<B - 1>(table, index).v, lookUp<B - 1>(table + (1 << (B - 1)) / kLanes, index).v,
            upper)};
    }
}

inline Vec gather(const Vec* table, Ints index) {
    return {_mm256_i32gather_ps(reinterpret_cast<const float*>(table), index, 4)};
}

#endif

template <int B>
class LookupTable {
public:
    explicit LookupTable(const uint16_t* halves) {
        if constexpr ((1 << B) <= kLanes) {
            m_parts[0] = repeatedTable<B>(halves);
        } else {
            for (int part = 0; part < kParts; ++part) {
                m_parts[part] = Vec::loadHalf(halves + part * kLanes);
            }
        }
    }

    Vec at(Ints index) const {
        if constexpr (B <= kRegisterTableBits) {
            return lookUp<B>(m_parts, index);
        } else {
            return gather(m_parts, lowBits(index, B));
        }
    }

private:
    static constexpr int kParts = (1 << B) <= kLanes ? 1 : (1 << B) / kLanes;
    Vec m_parts[kParts];
};

} // namespace lathe::LATHE_SIMD_NAMESPACE
