// SPDX-License-Identifier: Apache-2.0
#include "engine/text/normalize.h"

#include "engine/core/error.h"
#include "engine/text/utf8.h"

#include <utf8proc.h>

#include <algorithm>
#include <array>
#include <vector>

namespace lathe {

namespace {

using CodePoints = std::vector<utf8proc_int32_t>;

utf8proc_ssize_t checked(utf8proc_ssize_t result) {
    if (result < 0) {
        throw InputError(
            std::string("the text cannot be normalized (") + utf8proc_errmsg(result) + ")");
    }
    return result;
}

utf8proc_propval_t combiningClass(utf8proc_int32_t codePoint) {
    return utf8proc_get_property(codePoint)->combining_class;
}

CodePoints decomposed(std::string_view text, utf8proc_option_t options) {
    // No character decomposes into more.
    constexpr std::size_t kMost = 32;
    std::array<utf8proc_int32_t, kMost> parts{};
    CodePoints all;
    all.reserve(text.size());
    int boundary = 0;
    while (!text.empty()) {
        const auto count = static_cast<std::size_t>(checked(utf8proc_decompose_char(
            static_cast<utf8proc_int32_t>(utf8Decode(text)), parts.data(),
            static_cast<utf8proc_ssize_t>(parts.size()), options, &boundary)));
        if (count > parts.size()) {
            throw InternalError("a character decomposes into " + std::to_string(count));
        }
        all.insert(all.end(), parts.begin(), parts.begin() + static_cast<std::ptrdiff_t>(count));
        text.remove_prefix(std::max<std::size_t>(utf8SequenceLength(text), 1));
    }
    return all;
}

/// Canonical order: each run of combining marks by class. The library sorts by swapping neighbours,
/// which is quadratic in the length of a run.
void orderMarks(CodePoints& all) {
    for (auto begin = all.begin(); begin != all.end();) {
        const auto isMark = [](utf8proc_int32_t c) { return combiningClass(c) != 0; };
        begin = std::find_if(begin, all.end(), isMark);
        const auto end = std::find_if_not(begin, all.end(), isMark);
        std::stable_sort(begin, end, [](utf8proc_int32_t a, utf8proc_int32_t b) {
            return combiningClass(a) < combiningClass(b);
        });
        begin = end;
    }
}

} // namespace

std::string normalized(std::string_view text, UnicodeForm form) {
    const bool ascii = std::all_of(
        text.begin(), text.end(), [](char c) { return static_cast<unsigned char>(c) < 0x80; });
    if (form == UnicodeForm::AsIs || ascii) {
        return std::string(text);
    }
    const bool composed = form == UnicodeForm::Nfc || form == UnicodeForm::Nfkc;
    const bool compatible = form == UnicodeForm::Nfkc || form == UnicodeForm::Nfkd;
    const auto options = static_cast<utf8proc_option_t>(
        UTF8PROC_STABLE | (composed ? UTF8PROC_COMPOSE : UTF8PROC_DECOMPOSE) |
        (compatible ? UTF8PROC_COMPAT : 0));
    CodePoints all = decomposed(text, options);
    orderMarks(all);
    const auto count = static_cast<std::size_t>(checked(
        utf8proc_normalize_utf32(all.data(), static_cast<utf8proc_ssize_t>(all.size()), options)));
    std::string result;
    result.reserve(text.size());
    for (std::size_t i = 0; i < count; ++i) {
        std::array<utf8proc_uint8_t, 4> bytes{};
        const auto length = utf8proc_encode_char(all[i], bytes.data());
        result.append(
            reinterpret_cast<const char*>(bytes.data()), static_cast<std::size_t>(length));
    }
    return result;
}

} // namespace lathe
