// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "engine/io/gguf.h"

#include <span>
#include <string_view>

namespace lathe {

/// Walks the header of a GGUF file; every read is checked against the end of the file.
class GgufReader {
public:
    GgufReader(std::span<const std::byte> bytes, const std::string& name)
        : m_bytes(bytes), m_name(name) {}

    std::size_t position() const noexcept { return m_position; }

    /// A little-endian unsigned number; `what` says what is being read.
    template <class Integer>
    Integer integer(std::string_view what) {
        const std::span<const std::byte> raw = take(sizeof(Integer), what);
        std::uint64_t value = 0;
        for (std::size_t i = 0; i < raw.size(); ++i) {
            value |= std::uint64_t{std::to_integer<std::uint8_t>(raw[i])} << (8 * i);
        }
        return static_cast<Integer>(value);
    }
    std::string text(std::string_view what);
    GgufValue value(const std::string& key);

private:
    enum class Kind : std::uint32_t {
        U8,
        I8,
        U16,
        I16,
        U32,
        I32,
        F32,
        Bool,
        Text,
        Array,
        U64,
        I64,
        F64
    };

    std::span<const std::byte> take(std::uint64_t count, std::string_view what);
    Kind kind(const std::string& key);
    bool isFloat(Kind kind) const { return kind == Kind::F32 || kind == Kind::F64; }
    double floating(Kind kind, const std::string& key);
    GgufValue wholeNumber(Kind kind, const std::string& key);
    GgufValue array(const std::string& key);

    std::span<const std::byte> m_bytes;
    const std::string& m_name;
    std::size_t m_position = 0;
};

} // namespace lathe
