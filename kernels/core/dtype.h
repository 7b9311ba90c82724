// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace lathe {

enum class DType : std::uint8_t { F32, F16, BF16, F64, I64, I32, U16, U8, I8 };

/// Bytes of one element.
constexpr std::size_t sizeOf(DType dtype) {
    switch (dtype) {
    case DType::F64:
    case DType::I64:
        return 8;
    case DType::F32:
    case DType::I32:
        return 4;
    case DType::F16:
    case DType::BF16:
    case DType::U16:
        return 2;
    case DType::U8:
    case DType::I8:
        return 1;
    }
    return 0;
}

/// The name as safetensors spells it ("F16").
std::string_view nameOf(DType dtype);
/// @throws FormatError for a name that is not one of the above.
DType dtypeFromName(std::string_view name);

/// Sixteen-bit floats as raw bits; conversions in half.h.
struct Half {
    std::uint16_t bits = 0;
};
struct BFloat16 {
    std::uint16_t bits = 0;
};

template <class T>
struct DTypeOf;
template <>
struct DTypeOf<float> {
    static constexpr DType value = DType::F32;
};
template <>
struct DTypeOf<double> {
    static constexpr DType value = DType::F64;
};
template <>
struct DTypeOf<Half> {
    static constexpr DType value = DType::F16;
};
template <>
struct DTypeOf<BFloat16> {
    static constexpr DType value = DType::BF16;
};
template <>
struct DTypeOf<std::int64_t> {
    static constexpr DType value = DType::I64;
};
template <>
struct DTypeOf<std::int32_t> {
    static constexpr DType value = DType::I32;
};
template <>
struct DTypeOf<std::uint16_t> {
    static constexpr DType value = DType::U16;
};
template <>
struct DTypeOf<std::uint8_t> {
    static constexpr DType value = DType::U8;
};
template <>
struct DTypeOf<std::int8_t> {
    static constexpr DType value = DType::I8;
};

} // namespace lathe
