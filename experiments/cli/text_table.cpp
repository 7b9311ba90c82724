// SPDX-License-Identifier: Apache-2.0
#include "experiments/cli/text_table.h"

#include "engine/core/param_spec.h"

#include <algorithm>
#include <fmt/format.h>

namespace lathe {

namespace {

bool startsCodePoint(char c) { return (static_cast<unsigned char>(c) & 0xC0U) != 0x80U; }

std::size_t codePoints(const std::string& text) {
    return static_cast<std::size_t>(std::ranges::count_if(text, startsCodePoint));
}

bool looksNumeric(const std::string& text) {
    return text.empty() || text == "-" ||
           text.find_first_not_of("0123456789.+-einfa") == std::string::npos;
}

} // namespace

std::string TextTable::text() const {
    std::vector<std::size_t> widths;
    std::vector<bool> numeric(m_columns.size(), true);
    for (std::size_t c = 0; c < m_columns.size(); ++c) {
        widths.push_back(codePoints(m_columns[c]));
        for (const auto& row : m_rows) {
            widths[c] = std::max(widths[c], codePoints(row[c]));
            numeric[c] = numeric[c] && looksNumeric(row[c]);
        }
    }
    std::string out;
    const auto line = [&](const std::vector<std::string>& cells) {
        std::string built;
        for (std::size_t c = 0; c < cells.size(); ++c) {
            const std::string padding(widths[c] - codePoints(cells[c]), ' ');
            built += (c > 0 ? "  " : "") + (numeric[c] ? padding + cells[c] : cells[c] + padding);
        }
        built.erase(built.find_last_not_of(' ') + 1);
        out += built + "\n";
    };
    line(m_columns);
    for (const auto& row : m_rows) {
        line(row);
    }
    return out;
}

std::string readable(const Json& value) {
    if (value.is_null()) {
        return "-";
    }
    if (value.is_number_float()) {
        return fmt::format("{:.6g}", value.get<double>());
    }
    return valueText(value);
}

std::string shortened(const std::string& text, std::size_t length) {
    std::string out;
    std::size_t points = 0;
    for (const char c : text) {
        points += startsCodePoint(c) ? 1 : 0;
        if (points > length) {
            return out + "...";
        }
        out += static_cast<unsigned char>(c) < 0x20 ? ' ' : c;
    }
    return out;
}

std::string csvLine(const std::vector<std::string>& fields) {
    std::string line;
    for (std::size_t i = 0; i < fields.size(); ++i) {
        line += i > 0 ? "," : "";
        if (fields[i].find_first_of(",\"\r\n") == std::string::npos) {
            line += fields[i];
            continue;
        }
        line += '"';
        for (const char c : fields[i]) {
            line += c == '"' ? std::string("\"\"") : std::string(1, c);
        }
        line += '"';
    }
    return line + "\r\n";
}

} // namespace lathe
