// SPDX-License-Identifier: Apache-2.0
#include "kernels/core/dtype.h"

#include "engine/core/error.h"

#include <array>
#include <string>
#include <utility>

namespace lathe {

namespace {

constexpr std::array<std::pair<DType, std::string_view>, 9> kNames{{
    {DType::F32, "F32"},
    {DType::F16, "F16"},
    {DType::BF16, "BF16"},
    {DType::F64, "F64"},
    {DType::I64, "I64"},
    {DType::I32, "I32"},
    {DType::U16, "U16"},
    {DType::U8, "U8"},
    {DType::I8, "I8"},
}};

} // namespace

std::string_view nameOf(DType dtype) {
    for (const auto& [value, name] : kNames) {
        if (value == dtype) {
            return name;
        }
    }
    return "?";
}

DType dtypeFromName(std::string_view name) {
    for (const auto& [value, known] : kNames) {
        if (known == name) {
            return value;
        }
    }
    throw FormatError(
        "element type '" + std::string(name) +
        "' is not one of F32, F16, BF16, F64, I64, I32, U16, U8, I8");
}

} // namespace lathe
