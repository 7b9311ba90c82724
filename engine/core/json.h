// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <nlohmann/json.hpp>

#include <string>
#include <string_view>
#include <vector>

/// JSON as every part of the program exchanges it: keys sorted, so equal values have equal text;
/// invalid UTF-8 replaced by U+FFFD; a number that is not finite is null and reads back as NaN.
namespace lathe {

using Json = nlohmann::json;

/// Compact text, safe for any string content.
std::string dumpJson(const Json& value);
/// Indented text for people.
std::string dumpJsonPretty(const Json& value);
/// Parses; `what` names the source in the FormatError ("config.json").
Json parseJson(std::string_view text, std::string_view what);
/// The number at `key`, NaN when it is absent or null.
double numberOrNan(const Json& object, const std::string& key);
/// A number as JSON: null unless finite.
Json jsonNumber(double value);
/// The text with every invalid UTF-8 sequence replaced by U+FFFD.
std::string validUtf8(std::string_view text);

} // namespace lathe
