// SPDX-License-Identifier: Apache-2.0
#include "engine/core/json.h"

#include "engine/core/error.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace lathe {

std::string dumpJson(const Json& value) {
    return value.dump(-1, ' ', false, Json::error_handler_t::replace);
}

std::string dumpJsonPretty(const Json& value) {
    return value.dump(2, ' ', false, Json::error_handler_t::replace);
}

namespace {

/// Parsed JSON is walked by recursion here and elsewhere: a file of a million brackets must not
/// exhaust the stack.
constexpr int kMaxDepth = 100;

int nestingDepth(std::string_view text) {
    int depth = 0;
    int deepest = 0;
    bool inString = false;
    for (std::size_t i = 0; i < text.size(); ++i) {
        const char c = text[i];
        if (inString) {
            if (c == '\\') {
                ++i;
            } else if (c == '"') {
                inString = false;
            }
        } else if (c == '"') {
            inString = true;
        } else if (c == '[' || c == '{') {
            deepest = std::max(deepest, ++depth);
        } else if (c == ']' || c == '}') {
            --depth;
        }
    }
    return deepest;
}

} // namespace

Json parseJson(std::string_view text, std::string_view what) {
    if (nestingDepth(text) > kMaxDepth) {
        throw FormatError(
            std::string(what) + ": JSON nested deeper than " + std::to_string(kMaxDepth) +
            " levels; the file is damaged");
    }
    try {
        return Json::parse(text);
    } catch (const Json::exception& e) {
        // The reason quotes the last token, which may be as long as the text itself.
        constexpr std::size_t kLongest = 300;
        const std::string reason = validUtf8(std::string_view(e.what()).substr(0, kLongest));
        throw FormatError(std::string(what) + ": not valid JSON (" + reason + ")");
    }
}

double numberOrNan(const Json& object, const std::string& key) {
    const auto it = object.find(key);
    if (it == object.end() || !it->is_number()) {
        return std::numeric_limits<double>::quiet_NaN();
    }
    return it->get<double>();
}

Json jsonNumber(double value) { return std::isfinite(value) ? Json(value) : Json(nullptr); }

std::string validUtf8(std::string_view text) {
    // The JSON writer already replaces; a quoted string is its own round trip.
    const std::string quoted = dumpJson(Json(std::string(text)));
    return Json::parse(quoted).get<std::string>();
}

} // namespace lathe
