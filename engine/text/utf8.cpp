// SPDX-License-Identifier: Apache-2.0
#include "engine/text/utf8.h"

#include <algorithm>

namespace lathe {

namespace {

constexpr std::string_view kReplacement = "\xEF\xBF\xBD";

unsigned byteAt(std::string_view text, std::size_t i) {
    return static_cast<unsigned char>(text[i]);
}

/// What a text begins with: a sequence of `needed` bytes of which `good` are there and well-formed.
struct Prefix {
    std::size_t needed;
    std::size_t good;
};

Prefix prefixOf(std::string_view text) {
    const unsigned lead = byteAt(text, 0);
    if (lead < 0x80) {
        return {1, 1};
    }
    if (lead < 0xC2 || lead > 0xF4) {
        return {0, 0};
    }
    const std::size_t needed = lead < 0xE0 ? 2U : lead < 0xF0 ? 3U : 4U;
    // The second byte's range excludes overlong forms, surrogates and what lies above U+10FFFF.
    unsigned low = 0x80;
    unsigned high = 0xBF;
    if (lead == 0xE0) {
        low = 0xA0;
    } else if (lead == 0xED) {
        high = 0x9F;
    } else if (lead == 0xF0) {
        low = 0x90;
    } else if (lead == 0xF4) {
        high = 0x8F;
    }
    std::size_t good = 1;
    while (good < needed && good < text.size()) {
        const unsigned next = byteAt(text, good);
        if (next < low || next > high) {
            break;
        }
        low = 0x80;
        high = 0xBF;
        ++good;
    }
    return {needed, good};
}

} // namespace

std::size_t utf8SequenceLength(std::string_view text) noexcept {
    if (text.empty()) {
        return 0;
    }
    const Prefix prefix = prefixOf(text);
    return prefix.good == prefix.needed ? prefix.needed : 0;
}

char32_t utf8Decode(std::string_view text) noexcept {
    const std::size_t length = utf8SequenceLength(text);
    if (length <= 1) {
        return length == 1 ? static_cast<char32_t>(byteAt(text, 0)) : U'\uFFFD';
    }
    char32_t value = byteAt(text, 0) & (0xFFU >> (length + 1));
    for (std::size_t i = 1; i < length; ++i) {
        value = (value << 6U) | (byteAt(text, i) & 0x3FU);
    }
    return value;
}

std::string replaceInvalidUtf8(std::string_view text) {
    std::string clean;
    clean.reserve(text.size());
    while (!text.empty()) {
        const Prefix prefix = prefixOf(text);
        if (prefix.needed != 0 && prefix.good == prefix.needed) {
            clean += text.substr(0, prefix.needed);
            text.remove_prefix(prefix.needed);
        } else {
            clean += kReplacement;
            text.remove_prefix(std::max<std::size_t>(prefix.good, 1));
        }
    }
    return clean;
}

std::string printable(std::string_view text) {
    constexpr std::size_t kLongest = 100;
    constexpr std::string_view kHex = "0123456789ABCDEF";
    std::string_view shown = text;
    if (text.size() > kLongest) {
        shown = text.substr(0, kLongest);
        shown = shown.substr(0, completeUtf8Length(shown));
    }
    std::string result;
    for (const char c : replaceInvalidUtf8(shown)) {
        const auto byte = static_cast<unsigned char>(c);
        if (byte < 0x20 || byte == 0x7F) {
            result += {'\\', 'x', kHex[byte / 16], kHex[byte % 16]};
        } else {
            result += c;
        }
    }
    return shown.size() < text.size() ? result + "..." : result;
}

std::size_t completeUtf8Length(std::string_view text) noexcept {
    const std::size_t reach = std::min<std::size_t>(3, text.size());
    for (std::size_t back = 1; back <= reach; ++back) {
        const std::size_t start = text.size() - back;
        const unsigned lead = byteAt(text, start);
        if (lead >= 0x80 && lead < 0xC0) {
            continue;
        }
        const Prefix prefix = prefixOf(text.substr(start));
        return prefix.needed > back && prefix.good == back ? start : text.size();
    }
    return text.size();
}

} // namespace lathe
