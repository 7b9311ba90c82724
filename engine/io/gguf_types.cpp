// SPDX-License-Identifier: Apache-2.0
#include "engine/io/gguf_types.h"

#include "kernels/core/half.h"

#include <array>
#include <cstring>

namespace lathe {

namespace {

constexpr std::int64_t kSmallBlock = 32;
constexpr std::int64_t kLargeBlock = 256;
constexpr std::size_t kQ8Bytes = 34;

float halfAt(const std::byte* bytes) {
    std::uint16_t bits = 0;
    std::memcpy(&bits, bytes, sizeof(bits));
    return toFloat(Half{bits});
}

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

constexpr GgufType plain(std::uint32_t id, DType dtype, std::string_view name) {
    return {id, name, 1, sizeOf(dtype), nullptr, dtype, true};
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
    GgufType{8, "Q8_0", kSmallBlock, kQ8Bytes, widenQ8, DType::F32, true},
    unread(2, "Q4_0", kSmallBlock, 18),
    unread(3, "Q4_1", kSmallBlock, 20),
    unread(6, "Q5_0", kSmallBlock, 22),
    unread(7, "Q5_1", kSmallBlock, 24),
    unread(9, "Q8_1", kSmallBlock, 36),
    unread(10, "Q2_K", kLargeBlock, 84),
    unread(11, "Q3_K", kLargeBlock, 110),
    unread(12, "Q4_K", kLargeBlock, 144),
    unread(13, "Q5_K", kLargeBlock, 176),
    unread(14, "Q6_K", kLargeBlock, 210),
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
