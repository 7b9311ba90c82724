// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>

namespace lathe {

/// Whether an address is a multiple of `bytes`: of a vector load, where none are given.
inline bool isAligned(const void* data, std::size_t bytes = 16) {
    return reinterpret_cast<std::uintptr_t>(data) % bytes == 0;
}

} // namespace lathe
