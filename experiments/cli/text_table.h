// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "engine/core/json.h"

#include <string>
#include <vector>

namespace lathe {

/// A table in plain text: numbers to the right, texts to the left, widths by code points.
class TextTable {
public:
    explicit TextTable(std::vector<std::string> columns) : m_columns(std::move(columns)) {}
    void add(std::vector<std::string> row) { m_rows.push_back(std::move(row)); }
    bool empty() const noexcept { return m_rows.empty(); }
    std::string text() const;

private:
    std::vector<std::string> m_columns;
    std::vector<std::vector<std::string>> m_rows;
};

/// A value as people read it: numbers with six digits, texts bare, the rest as JSON.
std::string readable(const Json& value);
/// One line of at most `length` code points; longer ones end in "...".
std::string shortened(const std::string& text, std::size_t length);
/// Rows of RFC 4180.
std::string csvLine(const std::vector<std::string>& fields);

} // namespace lathe
