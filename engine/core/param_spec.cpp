// SPDX-License-Identifier: Apache-2.0
#include "engine/core/param_spec.h"

#include "engine/core/error.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>

namespace lathe {

namespace {

constexpr std::array<std::string_view, 8> kKindNames{"flag",   "integer", "real",   "text",
                                                     "choice", "file",    "folder", "model"};

/// What ends a choice that names a file.
constexpr std::string_view kFileChoice = ":FILE";

std::string rangeText(const ParamSpec& spec) {
    const bool low = std::isfinite(spec.minimum);
    const bool high = std::isfinite(spec.maximum);
    if (low && high) {
        return " from " + valueText(spec.minimum) + " to " + valueText(spec.maximum);
    }
    if (low) {
        return " of at least " + valueText(spec.minimum);
    }
    return high ? " of at most " + valueText(spec.maximum) : "";
}

std::string checkNumber(const ParamSpec& spec, const Json& value) {
    const bool whole = spec.kind == ParamKind::Integer;
    const bool typed = whole ? value.is_number_integer() : value.is_number();
    const double number = typed ? value.get<double>() : std::nan("");
    if (typed && number >= spec.minimum && number <= spec.maximum) {
        return {};
    }
    return std::string("must be ") + (whole ? "a whole number" : "a number") + rangeText(spec) +
           ", not " + dumpJson(value);
}

std::string checkText(const ParamSpec& spec, const Json& value) {
    if (!value.is_string()) {
        return "must be a text, not " + dumpJson(value);
    }
    const auto text = value.get<std::string>();
    if (spec.required && text.empty()) {
        return "must not be empty";
    }
    if (spec.kind == ParamKind::File && !spec.choices.empty() && text.empty()) {
        return "must be a file or one of " + joined(spec.choices) + ", not empty";
    }
    const bool isPlain = spec.isNamed(text) && !text.ends_with(kFileChoice);
    if (spec.kind == ParamKind::Choice && !isPlain && choiceFile(spec, text).empty()) {
        return "must be one of " + joined(spec.choices) + ", not '" + text + "'";
    }
    return {};
}

} // namespace

std::string joined(const std::vector<std::string>& texts) {
    std::string all;
    for (const std::string& text : texts) {
        all += (all.empty() ? "" : ", ") + text;
    }
    return all;
}

bool ParamSpec::isNamed(std::string_view text) const {
    return std::ranges::find(choices, text) != choices.end();
}

std::string ParamSpec::flagName() const {
    std::string text = flag.empty() ? name : flag;
    std::ranges::replace(text, '_', '-');
    return text;
}

std::string choiceFile(const ParamSpec& spec, const std::string& value) {
    for (const std::string& choice : spec.choices) {
        const std::string_view beginning =
            std::string_view(choice).substr(0, choice.size() - kFileChoice.size() + 1);
        if (choice.ends_with(kFileChoice) && value.starts_with(beginning) && value != choice) {
            return value.substr(beginning.size());
        }
    }
    return {};
}

std::string checkValue(const ParamSpec& spec, const Json& value) {
    switch (spec.kind) {
    case ParamKind::Flag:
        return value.is_boolean() ? "" : "must be true or false, not " + dumpJson(value);
    case ParamKind::Integer:
    case ParamKind::Real:
        return checkNumber(spec, value);
    case ParamKind::Text:
    case ParamKind::Choice:
    case ParamKind::File:
    case ParamKind::Folder:
    case ParamKind::Model:
        return checkText(spec, value);
    }
    return "is of a kind that this program does not know";
}

Json parseValue(const ParamSpec& spec, const std::string& text) {
    Json value = text;
    const char* const end = text.data() + text.size();
    if (spec.kind == ParamKind::Flag) {
        if (text == "true" || text == "1" || text == "yes" || text == "on") {
            value = true;
        } else if (text == "false" || text == "0" || text == "no" || text == "off") {
            value = false;
        }
    } else if (spec.kind == ParamKind::Integer) {
        std::int64_t number = 0;
        std::uint64_t large = 0; // seeds have all 64 bits
        if (const auto [stop, error] = std::from_chars(text.data(), end, number);
            error == std::errc{} && stop == end) {
            value = number;
        } else if (const auto [last, why] = std::from_chars(text.data(), end, large);
                   why == std::errc{} && last == end) {
            value = large;
        }
    } else if (spec.kind == ParamKind::Real) {
        double number = 0.0;
        const auto [stop, error] = std::from_chars(text.data(), end, number);
        if (error == std::errc{} && stop == end && std::isfinite(number)) {
            value = number;
        }
    }
    if (const std::string problem = checkValue(spec, value); !problem.empty()) {
        throw InputError("--" + spec.flagName() + " " + problem);
    }
    return value;
}

std::string valueText(const Json& value) {
    if (value.is_string()) {
        return value.get<std::string>();
    }
    if (value.is_number_float()) {
        std::array<char, 32> buffer{};
        const auto [end, error] =
            std::to_chars(buffer.data(), buffer.data() + buffer.size(), value.get<double>());
        return error == std::errc{} ? std::string(buffer.data(), end) : dumpJson(value);
    }
    return value.is_null() ? "" : dumpJson(value);
}

Json toJson(const ParamSpec& spec) {
    return {
        {"name", spec.name},
        {"kind", kKindNames[static_cast<std::size_t>(spec.kind)]},
        {"default", spec.defaultValue},
        {"help", spec.help},
        {"unit", spec.unit},
        {"minimum", jsonNumber(spec.minimum)},
        {"maximum", jsonNumber(spec.maximum)},
        {"choices", spec.choices},
        {"flag", spec.flag},
        {"sweep", spec.sweep},
        {"required", spec.required},
        {"advanced", spec.advanced}};
}

ParamSpec paramSpecFromJson(const Json& json) {
    try {
        ParamSpec spec;
        spec.name = json.at("name").get<std::string>();
        const auto kind = json.at("kind").get<std::string>();
        const auto it = std::ranges::find(kKindNames, kind);
        if (it == kKindNames.end()) {
            throw FormatError(
                "parameter '" + spec.name + "' is of the unknown kind '" + kind + "'");
        }
        spec.kind = static_cast<ParamKind>(it - kKindNames.begin());
        spec.defaultValue = json.at("default");
        spec.help = json.at("help").get<std::string>();
        spec.unit = json.at("unit").get<std::string>();
        if (json.at("minimum").is_number()) {
            spec.minimum = json.at("minimum").get<double>();
        }
        if (json.at("maximum").is_number()) {
            spec.maximum = json.at("maximum").get<double>();
        }
        spec.choices = json.at("choices").get<std::vector<std::string>>();
        spec.flag = json.at("flag").get<std::string>();
        spec.sweep = json.at("sweep").get<bool>();
        spec.required = json.at("required").get<bool>();
        spec.advanced = json.at("advanced").get<bool>();
        return spec;
    } catch (const Json::exception& e) {
        throw FormatError(std::string("description of a parameter: ") + e.what());
    }
}

} // namespace lathe
