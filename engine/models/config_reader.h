// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "engine/core/json.h"
#include "engine/io/checkpoint.h"

#include <cstdint>
#include <optional>
#include <string>

namespace lathe {

/// What messages call the settings of a model: "config.json", or the .gguf file's metadata.
std::string configName(const Checkpoint& checkpoint);

/// Reads keys of a config.json object, every one checked for type and range: the file is not to be
/// trusted. A key that is null counts as absent.
class ConfigReader {
public:
    /// @param where names the object in messages ("config.json"). The object must outlive the
    /// reader.
    /// @throws FormatError when `object` is not a JSON object.
    ConfigReader(const Json& object, std::string where);

    /// Null when the key is absent or null.
    const Json* find(const std::string& key) const;
    /// Is the key there with the value null?
    bool isNull(const std::string& key) const;
    /// @throws FormatError when the key is absent, not a whole number or out of range.
    std::int64_t integer(const std::string& key, std::int64_t low, std::int64_t high) const;
    std::int64_t integer(
        const std::string& key, std::int64_t low, std::int64_t high, std::int64_t fallback) const;
    /// @throws FormatError when the key is absent, not a number or out of range.
    double number(const std::string& key, double low, double high) const;
    double number(const std::string& key, double low, double high, double fallback) const;
    bool flag(const std::string& key, bool fallback) const;
    std::string text(const std::string& key, const std::string& fallback) const;
    const std::string& where() const noexcept { return m_where; }

private:
    const Json& m_object;
    std::string m_where;
};

} // namespace lathe
