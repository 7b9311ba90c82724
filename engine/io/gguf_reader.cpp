// SPDX-License-Identifier: Apache-2.0
#include "engine/io/gguf_reader.h"

#include "engine/core/error.h"
#include "engine/text/utf8.h"

#include <bit>
#include <limits>

namespace lathe {

std::span<const std::byte> GgufReader::take(std::uint64_t count, std::string_view what) {
    const std::size_t left = m_bytes.size() - m_position;
    if (count > left) {
        throw FormatError(
            m_name + ": " + printable(what) + " at byte " + std::to_string(m_position) + " takes " +
            std::to_string(count) + " bytes, but only " + std::to_string(left) +
            " remain; the file is truncated or damaged");
    }
    const auto taken = m_bytes.subspan(m_position, static_cast<std::size_t>(count));
    m_position += taken.size();
    return taken;
}

std::string GgufReader::text(std::string_view what) {
    const auto length = integer<std::uint64_t>(what);
    const std::span<const std::byte> raw = take(length, what);
    return {reinterpret_cast<const char*>(raw.data()), raw.size()};
}

GgufReader::Kind GgufReader::kind(const std::string& key) {
    const auto number = integer<std::uint32_t>("the type of key '" + printable(key) + "'");
    if (number > static_cast<std::uint32_t>(Kind::F64)) {
        throw FormatError(
            m_name + ": key '" + printable(key) + "' has the unknown value type " +
            std::to_string(number));
    }
    return static_cast<Kind>(number);
}

double GgufReader::floating(Kind kind, const std::string& key) {
    return kind == Kind::F32 ? std::bit_cast<float>(integer<std::uint32_t>(key))
                             : std::bit_cast<double>(integer<std::uint64_t>(key));
}

GgufValue GgufReader::wholeNumber(Kind kind, const std::string& key) {
    switch (kind) {
    case Kind::U8:
    case Kind::Bool:
        return std::int64_t{integer<std::uint8_t>(key)};
    case Kind::I8:
        return std::int64_t{integer<std::int8_t>(key)};
    case Kind::U16:
        return std::int64_t{integer<std::uint16_t>(key)};
    case Kind::I16:
        return std::int64_t{integer<std::int16_t>(key)};
    case Kind::U32:
        return std::int64_t{integer<std::uint32_t>(key)};
    case Kind::I32:
        return std::int64_t{integer<std::int32_t>(key)};
    case Kind::I64:
        return integer<std::int64_t>(key);
    default:
        break;
    }
    const auto value = integer<std::uint64_t>(key);
    if (value > static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max())) {
        return static_cast<double>(value);
    }
    return static_cast<std::int64_t>(value);
}

GgufValue GgufReader::array(const std::string& key) {
    const Kind element = kind(key);
    const auto count = integer<std::uint64_t>("the length of array '" + printable(key) + "'");
    if (element == Kind::Array) {
        throw FormatError(m_name + ": key '" + printable(key) + "' is an array of arrays");
    }
    // No memory is reserved by the count: every element takes bytes of the file, so a lying count
    // runs into the file's end.
    if (element == Kind::Text) {
        std::vector<std::string> texts;
        for (std::uint64_t i = 0; i < count; ++i) {
            texts.push_back(text(key));
        }
        return texts;
    }
    if (isFloat(element)) {
        std::vector<double> numbers;
        for (std::uint64_t i = 0; i < count; ++i) {
            numbers.push_back(floating(element, key));
        }
        return numbers;
    }
    std::vector<std::int64_t> integers;
    for (std::uint64_t i = 0; i < count; ++i) {
        const GgufValue value = wholeNumber(element, key);
        if (!std::holds_alternative<std::int64_t>(value)) {
            throw FormatError(
                m_name + ": array '" + printable(key) + "' holds a number of over 63 bits");
        }
        integers.push_back(std::get<std::int64_t>(value));
    }
    return integers;
}

GgufValue GgufReader::value(const std::string& key) {
    const Kind type = kind(key);
    if (type == Kind::Text) {
        return text(key);
    }
    if (type == Kind::Array) {
        return array(key);
    }
    return isFloat(type) ? GgufValue(floating(type, key)) : wholeNumber(type, key);
}

} // namespace lathe
