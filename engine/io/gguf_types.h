// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "kernels/core/dtype.h"

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace lathe {

/// How GGUF stores the elements of a tensor. To read one more type, write its `widen` and name it
/// in the table of gguf_types.cpp.
struct GgufType {
    std::uint32_t id;
    std::string_view name;
    std::int64_t blockElements; ///< elements of a row come in blocks of this many
    std::size_t blockBytes;
    /// Turns blocks into floats.
    using Widen = void (*)(const std::byte* blocks, std::int64_t blockCount, float* elements);
    Widen widen;   ///< null for plain elements
    DType dtype;   ///< what a tensor of this type is read as
    bool readable; ///< false: known by name and size only
};

/// Null for a number that is not in the table.
const GgufType* findGgufType(std::uint32_t id) noexcept;
/// "F32, F16, BF16, Q8_0, ..." for messages.
std::string readableGgufTypes();

} // namespace lathe
