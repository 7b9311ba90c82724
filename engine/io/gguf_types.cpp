// SPDX-License-Identifier: Apache-2.0
#include "engine/io/gguf_types.h"

#include "kernels/core/half.h"

#include <array>
#include <cstring>

namespace lathe {

namespace {

constexpr std::int64_t kSmallBlock = 32;
constexpr std::int64_t kLargeBlock = 256;
constexpr int kGroup = 32; ///< elements of a Q4_K or Q5_K block that share a scale and a minimum

constexpr std::size_t kQ8Bytes = 34;
template <int bits, bool hasMinimum>
constexpr std::size_t kQ45Bytes = 2 + (hasMinimum ? 2 : 0) + (bits == 5 ? 4 : 0) + 16;
template <int bits>
constexpr std::size_t kQ45KBytes = 16 + (bits == 5 ? 32 : 0) + 128;
constexpr std::size_t kQ6KBytes = 210;

float halfAt(const std::byte* bytes) {
    std::uint16_t bits = 0;
    std::memcpy(&bits, bytes, sizeof(bits));
    return toFloat(Half{bits});
}

int byteAt(const std::byte* bytes, int index) { return std::to_integer<int>(bytes[index]); }

/// A block is one F16 scale and 32 signed bytes: x = scale * q.
void widenQ8(const std::byte* blocks, std::int64_t blockCount, float* elements) {
    for (std::int64_t block = 0; block < blockCount; ++block, blocks += kQ8Bytes) {
        const float scale = halfAt(blocks);
        const std::byte* quants = blocks + 2;
        for (std::int64_t i = 0; i < kSmallBlock; ++i) {
            const auto q = static_cast<std::int8_t>(std::to_integer<std::uint8_t>(quants[i]));
            *elements++ = scale * static_cast<float>(q);
        }
    }
}

/// Q4_0, Q4_1, Q5_0, Q5_1. A block is an F16 scale, in the kinds with a minimum that as F16, in Q5
/// a word of the fifth bits (bit i for element i), and 16 bytes: their low nibbles are elements 0
/// to 15, the high ones 16 to 31. x = scale * q + minimum, or scale * (q - 2^(bits - 1)).
template <int bits, bool hasMinimum>
void widenQ45(const std::byte* blocks, std::int64_t blockCount, float* elements) {
    constexpr int kHalf = kSmallBlock / 2;
    constexpr std::size_t kBytes = kQ45Bytes<bits, hasMinimum>;
    for (std::int64_t block = 0; block < blockCount; ++block, blocks += kBytes) {
        const float scale = halfAt(blocks);
        const float minimum = hasMinimum ? halfAt(blocks + 2) : 0.0F;
        const std::byte* nibbles = blocks + kBytes - kHalf;
        std::uint32_t fifth = 0;
        if constexpr (bits == 5) {
            std::memcpy(&fifth, nibbles - sizeof(fifth), sizeof(fifth));
        }
        for (int shift = 0; shift < 8; shift += 4) {
            for (int i = 0; i < kHalf; ++i) {
                int q = (byteAt(nibbles, i) >> shift) & 15;
                if constexpr (bits == 5) {
                    q |= static_cast<int>((fifth >> i) & 1U) << 4;
                }
                if constexpr (hasMinimum) {
                    *elements++ = scale * static_cast<float>(q) + minimum;
                } else {
                    *elements++ = scale * static_cast<float>(q - (1 << (bits - 1)));
                }
            }
            fifth >>= kHalf;
        }
    }
}

struct GroupScale {
    int scale;
    int minimum;
};

/// Of one of the eight groups, 6 bits each. Groups 0 to 3 have them in the low bits of bytes 0-3
/// (scales) and 4-7 (minima), whose two highest bits are those of groups 4 to 7; the other four
/// bits of these share bytes 8-11.
GroupScale groupScale(const std::byte* packed, int group) {
    if (group < 4) {
        return {byteAt(packed, group) & 63, byteAt(packed, group + 4) & 63};
    }
    const int low = byteAt(packed, group + 4);
    return {
        (low & 15) | ((byteAt(packed, group - 4) >> 6) << 4),
        (low >> 4) | ((byteAt(packed, group) >> 6) << 4)};
}

/// Q4_K, Q5_K. A block is an F16 scale of the scales, one of the minima, 12 bytes of scales and
/// minima, in Q5_K 32 bytes of fifth bits (bit g of byte i for element i of group g), and 128
/// bytes: each 32 of them hold two groups, one in the low and one in the high nibbles. x = scale *
/// group scale * q - minimum * group minimum.
template <int bits>
void widenQ45K(const std::byte* blocks, std::int64_t blockCount, float* elements) {
    constexpr std::size_t kBytes = kQ45KBytes<bits>;
    for (std::int64_t block = 0; block < blockCount; ++block, blocks += kBytes) {
        const float blockScale = halfAt(blocks);
        const float blockMinimum = halfAt(blocks + 2);
        const std::byte* fifth = blocks + 16;
        const std::byte* nibbles = blocks + kBytes - kLargeBlock / 2;
        for (int group = 0; group < static_cast<int>(kLargeBlock) / kGroup; ++group) {
            const GroupScale packed = groupScale(blocks + 4, group);
            const float scale = blockScale * static_cast<float>(packed.scale);
            const float minimum = blockMinimum * static_cast<float>(packed.minimum);
            for (int i = 0; i < kGroup; ++i) {
                int q = (byteAt(nibbles, group / 2 * kGroup + i) >> (group % 2 * 4)) & 15;
                if constexpr (bits == 5) {
                    q |= ((byteAt(fifth, i) >> group) & 1) << 4;
                }
                *elements++ = scale * static_cast<float>(q) - minimum;
            }
        }
    }
}

/// A block is 128 bytes of low nibbles, 64 of upper bit pairs, 16 signed scales (one for each 16
/// elements) and an F16 scale of these. Each half of the block is four runs of 32 elements: runs 0
/// and 1 in the low nibbles of its 64 bytes, 2 and 3 in the high ones; run r has the bits from 2r
/// on of its 32 bytes of pairs. x = scale * group scale * (q - 32).
void widenQ6K(const std::byte* blocks, std::int64_t blockCount, float* elements) {
    constexpr int kShared = 16;
    for (std::int64_t block = 0; block < blockCount; ++block, blocks += kQ6KBytes) {
        const float blockScale = halfAt(blocks + 208);
        for (int group = 0; group < static_cast<int>(kLargeBlock) / kShared; ++group) {
            const int half = group / 8;
            const int run = group % 8 / 2;
            const int nibbles = 64 * half + group % 4 * kShared;
            const int pairs = 128 + 32 * half + group % 2 * kShared;
            const auto groupScale = static_cast<std::int8_t>(byteAt(blocks, 192 + group));
            const float scale = blockScale * static_cast<float>(groupScale);
            for (int i = 0; i < kShared; ++i) {
                const int low = (byteAt(blocks, nibbles + i) >> (run / 2 * 4)) & 15;
                const int high = (byteAt(blocks, pairs + i) >> (run * 2)) & 3;
                *elements++ = scale * static_cast<float>((low | (high << 4)) - 32);
            }
        }
    }
}

constexpr GgufType plain(std::uint32_t id, DType dtype, std::string_view name) {
    return {id, name, 1, sizeOf(dtype), nullptr, dtype, true};
}
constexpr GgufType
small(std::uint32_t id, std::string_view name, std::size_t bytes, GgufType::Widen widen) {
    return {id, name, kSmallBlock, bytes, widen, DType::F32, true};
}
constexpr GgufType
large(std::uint32_t id, std::string_view name, std::size_t bytes, GgufType::Widen widen) {
    return {id, name, kLargeBlock, bytes, widen, DType::F32, true};
}
constexpr GgufType
unread(std::uint32_t id, std::string_view name, std::int64_t elements, std::size_t bytes) {
    return {id, name, elements, bytes, nullptr, DType::F32, false};
}

constexpr std::array kTypes{
    plain(0, DType::F32, "F32"),
    plain(1, DType::F16, "F16"),
    plain(30, DType::BF16, "BF16"),
    plain(28, DType::F64, "F64"),
    plain(24, DType::I8, "I8"),
    plain(26, DType::I32, "I32"),
    plain(27, DType::I64, "I64"),
    small(2, "Q4_0", kQ45Bytes<4, false>, widenQ45<4, false>),
    small(3, "Q4_1", kQ45Bytes<4, true>, widenQ45<4, true>),
    small(6, "Q5_0", kQ45Bytes<5, false>, widenQ45<5, false>),
    small(7, "Q5_1", kQ45Bytes<5, true>, widenQ45<5, true>),
    small(8, "Q8_0", kQ8Bytes, widenQ8),
    large(12, "Q4_K", kQ45KBytes<4>, widenQ45K<4>),
    large(13, "Q5_K", kQ45KBytes<5>, widenQ45K<5>),
    large(14, "Q6_K", kQ6KBytes, widenQ6K),
    unread(9, "Q8_1", kSmallBlock, 36),
    unread(10, "Q2_K", kLargeBlock, 84),
    unread(11, "Q3_K", kLargeBlock, 110),
    unread(15, "Q8_K", kLargeBlock, 292),
    unread(20, "IQ4_NL", kSmallBlock, 18),
    unread(23, "IQ4_XS", kLargeBlock, 136),
    unread(25, "I16", 1, 2),
};

} // namespace

const GgufType* findGgufType(std::uint32_t id) noexcept {
    for (const GgufType& type : kTypes) {
        if (type.id == id) {
            return &type;
        }
    }
    return nullptr;
}

std::string readableGgufTypes() {
    std::string names;
    for (const GgufType& type : kTypes) {
        if (type.readable) {
            names += (names.empty() ? "" : ", ") + std::string(type.name);
        }
    }
    return names;
}

} // namespace lathe
