// SPDX-License-Identifier: Apache-2.0
#include "kernels/core/half.h"

#include <bit>

namespace lathe {

namespace {

/// value / 2^shift, rounded to nearest, ties to even; shift 1..31.
constexpr std::uint32_t roundedShift(std::uint32_t value, int shift) {
    const std::uint32_t half = 1U << (shift - 1);
    const std::uint32_t odd = (value >> shift) & 1U;
    return (value + (half - 1U) + odd) >> shift;
}

} // namespace

float toFloat(Half value) noexcept {
    const std::uint32_t sign = (value.bits & 0x8000U) << 16;
    const std::uint32_t exponent = (value.bits >> 10) & 0x1FU;
    const std::uint32_t fraction = value.bits & 0x3FFU;
    if (exponent == 31U) {
        return std::bit_cast<float>(sign | 0x7F800000U | (fraction << 13));
    }
    if (exponent != 0U) {
        return std::bit_cast<float>(sign | ((exponent + 112U) << 23) | (fraction << 13));
    }
    // Subnormal or zero: fraction * 2^-24 is exact in a float.
    const float magnitude = static_cast<float>(fraction) * 0x1p-24F;
    return std::bit_cast<float>(sign | std::bit_cast<std::uint32_t>(magnitude));
}

float toFloat(BFloat16 value) noexcept {
    return std::bit_cast<float>(static_cast<std::uint32_t>(value.bits) << 16);
}

Half toHalf(float value) noexcept {
    const auto bits = std::bit_cast<std::uint32_t>(value);
    const std::uint32_t sign = (bits >> 16) & 0x8000U;
    const std::uint32_t magnitude = bits & 0x7FFFFFFFU;
    std::uint32_t result = 0;
    if (magnitude > 0x7F800000U) {
        // NaN: keep the upper payload bits and make it quiet, as the processor's conversion does.
        result = 0x7E00U | ((magnitude >> 13) & 0x3FFU);
    } else if (magnitude >= 0x47800000U) {
        result = 0x7C00U;
    } else if (magnitude >= 0x38800000U) {
        // A carry out of the fraction moves into the exponent, up to infinity: as it should.
        result = roundedShift(magnitude - 0x38000000U, 13);
    } else if (magnitude >= 0x33000000U) {
        const int shift = 126 - static_cast<int>(magnitude >> 23);
        result = roundedShift((magnitude & 0x7FFFFFU) | 0x800000U, shift);
    }
    return Half{static_cast<std::uint16_t>(sign | result)};
}

BFloat16 toBFloat16(float value) noexcept {
    const auto bits = std::bit_cast<std::uint32_t>(value);
    if ((bits & 0x7FFFFFFFU) > 0x7F800000U) {
        return BFloat16{static_cast<std::uint16_t>((bits >> 16) | 0x40U)};
    }
    const std::uint32_t sign = bits & 0x80000000U;
    const std::uint32_t rounded = roundedShift(bits & 0x7FFFFFFFU, 16);
    return BFloat16{static_cast<std::uint16_t>((sign >> 16) | rounded)};
}

} // namespace lathe
