// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "kernels/core/tensor.h"

#include <cstring>
#include <memory>
#include <string_view>

namespace lathe::fuzz {

/// A file in memory whose ends the address sanitizer knows exactly.
class InputStorage : public Storage {
public:
    explicit InputStorage(std::string_view bytes)
        : m_bytes(std::make_unique<std::byte[]>(bytes.size())), m_size(bytes.size()) {
        std::memcpy(m_bytes.get(), bytes.data(), bytes.size());
    }
    std::byte* data() noexcept override { return m_bytes.get(); }
    std::size_t bytes() const noexcept override { return m_size; }
    Device device() const noexcept override { return Device{}; }

private:
    std::unique_ptr<std::byte[]> m_bytes;
    std::size_t m_size;
};

inline std::string_view textOf(const std::uint8_t* data, std::size_t size) {
    return {reinterpret_cast<const char*>(data), size};
}

/// Reads every byte of a tensor: the sanitizer sees each access.
inline void touch(const Tensor& tensor) {
    const ConstView view = tensor.view();
    volatile unsigned sum = 0;
    for (std::size_t i = 0; i < view.bytes(); ++i) {
        sum = sum + std::to_integer<unsigned>(view.data[i]);
    }
}

/// Texts of all kinds, for vocabularies to encode.
inline constexpr std::string_view kMixedText =
    "The lathe's 12345 gears,  they'll TURN\n\n\t\u00E9e\u0301 \u8ECA\u5E8A \U0001F642\u200D\xFF "
    "<tool> aaaaaaaaaaaaaaaa ab abc \u2581a";

/// What a target found that no sanitizer sees.
[[noreturn]] inline void fail() { __builtin_trap(); }

} // namespace lathe::fuzz
