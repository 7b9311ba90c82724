// SPDX-License-Identifier: Apache-2.0
#include "engine/models/config_reader.h"

#include "engine/core/error.h"
#include "engine/text/utf8.h"

#include <limits>

namespace lathe {

namespace {

constexpr std::size_t kMaxShown = 80;

std::string shown(const Json& value) {
    std::string text = dumpJson(value);
    if (text.size() > kMaxShown) {
        text = validUtf8(text.substr(0, kMaxShown)) + "...";
    }
    return text;
}

std::string numberText(double value) { return dumpJson(Json(value)); }

/// The value as int64 when it is a whole number that fits.
std::optional<std::int64_t> wholeNumber(const Json& value) {
    if (value.is_number_unsigned()) {
        const auto number = value.get<std::uint64_t>();
        constexpr auto kMost = static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max());
        return number <= kMost ? std::optional(static_cast<std::int64_t>(number)) : std::nullopt;
    }
    return value.is_number_integer() ? std::optional(value.get<std::int64_t>()) : std::nullopt;
}

} // namespace

std::string configName(const Checkpoint& checkpoint) {
    return checkpoint.container() == "gguf"
               ? printable(checkpoint.path().filename().string()) + " metadata"
               : std::string("config.json");
}

ConfigReader::ConfigReader(const Json& object, std::string where)
    : m_object(object), m_where(std::move(where)) {
    if (!object.is_object()) {
        throw FormatError(m_where + " is not a JSON object");
    }
}

const Json* ConfigReader::find(const std::string& key) const {
    const auto it = m_object.find(key);
    return it == m_object.end() || it->is_null() ? nullptr : &*it;
}

bool ConfigReader::isNull(const std::string& key) const {
    const auto it = m_object.find(key);
    return it != m_object.end() && it->is_null();
}

std::int64_t
ConfigReader::integer(const std::string& key, std::int64_t low, std::int64_t high) const {
    const Json* value = find(key);
    if (value == nullptr) {
        throw FormatError(m_where + ": '" + key + "' is missing");
    }
    const std::optional<std::int64_t> number = wholeNumber(*value);
    if (!number || *number < low || *number > high) {
        throw FormatError(
            m_where + ": '" + key + "' is " + shown(*value) + ", must be a whole number from " +
            std::to_string(low) + " to " + std::to_string(high));
    }
    return *number;
}

std::int64_t ConfigReader::integer(
    const std::string& key, std::int64_t low, std::int64_t high, std::int64_t fallback) const {
    return find(key) == nullptr ? fallback : integer(key, low, high);
}

double ConfigReader::number(const std::string& key, double low, double high) const {
    const Json* value = find(key);
    if (value == nullptr) {
        throw FormatError(m_where + ": '" + key + "' is missing");
    }
    const double number = value->is_number() ? value->get<double>() : low - 1.0;
    if (!(value->is_number() && number >= low && number <= high)) {
        throw FormatError(
            m_where + ": '" + key + "' is " + shown(*value) + ", must be a number from " +
            numberText(low) + " to " + numberText(high));
    }
    return number;
}

double
ConfigReader::number(const std::string& key, double low, double high, double fallback) const {
    return find(key) == nullptr ? fallback : number(key, low, high);
}

bool ConfigReader::flag(const std::string& key, bool fallback) const {
    const Json* value = find(key);
    if (value == nullptr) {
        return fallback;
    }
    if (!value->is_boolean()) {
        throw FormatError(
            m_where + ": '" + key + "' is " + shown(*value) + ", must be true or false");
    }
    return value->get<bool>();
}

std::string ConfigReader::text(const std::string& key, const std::string& fallback) const {
    const Json* value = find(key);
    if (value == nullptr) {
        return fallback;
    }
    if (!value->is_string()) {
        throw FormatError(m_where + ": '" + key + "' is " + shown(*value) + ", must be a text");
    }
    return value->get<std::string>();
}

} // namespace lathe
