// SPDX-License-Identifier: Apache-2.0
#include "experiments/store/run_query.h"

#include "engine/core/event.h"

#include <array>
#include <charconv>
#include <cmath>
#include <optional>

namespace lathe {

namespace {

constexpr std::array<std::string_view, 6> kOperators{"<=", ">=", "!=", "<", ">", "="};

[[noreturn]] void refuse(const std::string& term, const std::string& why) {
    throw InputError("filter: '" + term + "' " + why);
}

/// Splits at spaces; double quotes keep spaces together, inside or around a term.
struct Term {
    std::string text;
    bool quoted = false; ///< begins with a quote: free text whatever it holds
};

std::vector<Term> splitTerms(std::string_view text) {
    std::vector<Term> terms;
    Term term;
    bool inside = false;
    bool open = false;
    for (const char c : text) {
        if (c == '"') {
            term.quoted = term.quoted || !open;
            inside = !inside;
            open = true;
        } else if (!inside && (c == ' ' || c == '\t' || c == '\n')) {
            if (open) {
                terms.push_back(std::move(term));
            }
            term = {};
            open = false;
        } else {
            term.text += c;
            open = true;
        }
    }
    if (inside) {
        refuse(term.text, "has an opening quote without a closing one");
    }
    if (open) {
        terms.push_back(std::move(term));
    }
    return terms;
}

/// LIKE pattern that matches the text literally ('\' escapes).
std::string likePattern(std::string_view text, std::string_view before, std::string_view after) {
    std::string pattern(before);
    for (const char c : text) {
        if (c == '%' || c == '_' || c == '\\') {
            pattern += '\\';
        }
        pattern += c;
    }
    return pattern + std::string(after);
}

std::optional<double> asNumber(const std::string& text) {
    double number = 0.0;
    const char* end = text.data() + text.size();
    const auto [stop, error] = std::from_chars(text.data(), end, number);
    const bool whole = error == std::errc{} && stop == end && std::isfinite(number);
    return whole ? std::optional(number) : std::nullopt;
}

class FilterBuilder {
public:
    void add(const Term& term);
    RunFilter finish() {
        if (m_filter.where.empty()) {
            m_filter.where = "1";
        }
        return std::move(m_filter);
    }

private:
    void freeText(const std::string& text);
    void keyed(const std::string& term, const std::string& key, const std::string& value);
    void comparison(
        const std::string& term, const std::string& name, std::string_view op,
        const std::string& value);
    void condition(const std::string& sql) {
        m_filter.where += (m_filter.where.empty() ? "(" : " AND (") + sql + ")";
    }
    void value(std::string text) { m_filter.values.push_back({std::move(text), 0.0, true}); }
    void value(double number) { m_filter.values.push_back({{}, number, false}); }

    RunFilter m_filter;
};

void FilterBuilder::add(const Term& term) {
    if (term.quoted) {
        return freeText(term.text);
    }
    const auto at = term.text.find_first_of("<>=!:");
    if (at == std::string::npos) {
        return freeText(term.text);
    }
    if (at == 0) {
        refuse(term.text, "has no name before the comparison");
    }
    const std::string name = term.text.substr(0, at);
    if (term.text[at] == ':') {
        return keyed(term.text, name, term.text.substr(at + 1));
    }
    const std::string_view rest = std::string_view(term.text).substr(at);
    for (const std::string_view op : kOperators) {
        if (rest.starts_with(op)) {
            return comparison(term.text, name, op, std::string(rest.substr(op.size())));
        }
    }
    refuse(term.text, "has no comparison that is known; there are <, <=, >, >=, = and !=");
}

void FilterBuilder::freeText(const std::string& text) {
    if (text.empty()) {
        return;
    }
    std::string sql;
    for (const char* column : {"study", "title", "tags", "notes", "words"}) {
        sql += (sql.empty() ? "" : " OR ") + std::string("run.") + column + " LIKE ? ESCAPE '\\'";
        value(likePattern(text, "%", "%"));
    }
    condition(sql);
}

void FilterBuilder::keyed(
    const std::string& term, const std::string& key, const std::string& text) {
    if (text.empty()) {
        refuse(term, "has nothing after the colon");
    }
    if (key == "study") {
        condition("run.study LIKE ? ESCAPE '\\'");
        value(likePattern(text, "", "%"));
    } else if (key == "state") {
        try {
            static_cast<void>(runStateFromName(text));
        } catch (const FormatError&) {
            refuse(
                term, "names no state; there are queued, running, done, failed, cancelled, "
                      "crashed and interrupted");
        }
        condition("run.state = ?");
        value(text);
    } else if (key == "tag") {
        condition("' ' || replace(run.tags, ',', ' ') || ' ' LIKE ? ESCAPE '\\'");
        value(likePattern(text, "% ", " %"));
    } else if (key == "device") {
        condition("run.device LIKE ? ESCAPE '\\'");
        value(likePattern(text, "%", "%"));
    } else if (key == "id") {
        const std::optional<double> number = asNumber(text);
        if (!number) {
            refuse(term, "needs a number after the colon");
        }
        condition("run.id = ?");
        value(*number);
    } else {
        condition("run.id IN (SELECT run FROM param WHERE name = ? AND text = ?)");
        value(key);
        value(text);
    }
}

void FilterBuilder::comparison(
    const std::string& term, const std::string& name, std::string_view op,
    const std::string& text) {
    const bool paramOnly = name.starts_with("param.");
    const bool metricOnly = name.starts_with("metric.");
    const std::string bare = paramOnly || metricOnly ? name.substr(name.find('.') + 1) : name;
    const std::optional<double> number = asNumber(text);
    const bool equality = op == "=" || op == "!=";
    if (text.empty() || bare.empty()) {
        refuse(term, "compares with nothing");
    }
    if (!number && (metricOnly || !equality)) {
        refuse(term, "needs a number after " + std::string(op));
    }
    // One list of runs for all places, each found by its index: quick for a filter that few runs
    // pass, and bearable for one that most do.
    std::string sql;
    const auto search = [&](const std::string& table, const std::string& column) {
        value(bare);
        if (column == "text") {
            value(text);
        } else {
            value(*number);
        }
        sql += (sql.empty() ? "SELECT run FROM " : " UNION ALL SELECT run FROM ") + table +
               " WHERE name = ? AND " + column + " " + std::string(op) + " ?";
    };
    if (!metricOnly) {
        search("param", number ? "number" : "text");
    }
    if (!paramOnly && number) {
        search("result", "number");
        search("metric", "value");
    }
    condition("run.id IN (" + sql + ")");
}

} // namespace

int RunFilter::bind(Statement& statement, int index) const {
    for (const auto& value : values) {
        if (value.isText) {
            statement.bind(index++, std::string_view(value.text));
        } else {
            statement.bind(index++, value.number);
        }
    }
    return index;
}

RunFilter parseRunQuery(std::string_view text) {
    FilterBuilder builder;
    for (const Term& term : splitTerms(text)) {
        builder.add(term);
    }
    return builder.finish();
}

} // namespace lathe
