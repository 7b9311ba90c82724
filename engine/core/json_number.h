// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "engine/core/error.h"
#include "engine/core/json.h"

#include <concepts>
#include <string>
#include <utility>

namespace lathe {

/// A whole number out of an object that somebody else wrote. Asked for an integer, the JSON library
/// converts whatever number is there, and a large real one has no such value.
/// @throws FormatError naming the member when it is no whole number or does not fit T.
template <std::integral T>
T wholeNumber(const Json& object, const char* name) {
    const Json& value = object.at(name);
    if (value.is_number_unsigned()) {
        if (const auto number = value.get<std::uint64_t>(); std::in_range<T>(number)) {
            return static_cast<T>(number);
        }
    } else if (value.is_number_integer()) {
        if (const auto number = value.get<std::int64_t>(); std::in_range<T>(number)) {
            return static_cast<T>(number);
        }
    }
    throw FormatError(
        std::string("'") + name + "' must be a whole number of " + std::to_string(8 * sizeof(T)) +
        " bits, not " + dumpJson(value).substr(0, 100));
}

} // namespace lathe
