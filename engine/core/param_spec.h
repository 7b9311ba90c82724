// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "engine/core/json.h"

#include <limits>
#include <string>
#include <string_view>
#include <vector>

/// Parameters are declared once: from a list of ParamSpec come the form in the window, the flags
/// and the help of `lathe-run`, validation on both sides of the protocol, and the manual's table.
namespace lathe {

enum class ParamKind { Flag, Integer, Real, Text, Choice, File, Folder, Model };

inline constexpr const char* kTranslates = "translates";

struct ParamSpec {
    std::string name; ///< key in Spec::params, lower_snake ("max_new")
    ParamKind kind = ParamKind::Text;
    Json defaultValue{}; ///< null: no default; see `required`
    std::string help{};  ///< one sentence, no full stop at the end
    std::string unit{};  ///< "bit", "token"; empty when it has none
    double minimum = -std::numeric_limits<double>::infinity();
    double maximum = std::numeric_limits<double>::infinity();
    /// Choice: the allowed texts. One that ends in ":FILE" allows its beginning with any path.
    /// File: names that stand beside any path ("strict" or the file of a preset).
    /// Model: with kTranslates, encoder-decoders are possible beside models that continue text.
    std::vector<std::string> choices{};
    std::string flag{}; ///< command-line name without dashes; empty: name with '-' for '_'
    bool sweep = false; ///< may take several values ("2,3,4"): an axis of Spec::sweep
    bool required = false;
    bool advanced = false; ///< shown in the folded part of a form

    std::string flagName() const;
    /// Whether a text is one of the choices, and so no path.
    bool isNamed(std::string_view text) const;
};

/// "strict, paper, tuned"
std::string joined(const std::vector<std::string>& texts);

struct Diagnostic {
    std::string param; ///< the ParamSpec's name, or empty
    std::string message;
};

/// The path in a choice such as "gguf:/some/model.gguf"; empty for a plain choice.
std::string choiceFile(const ParamSpec& spec, const std::string& value);

/// Checks one value against its declaration; an empty text means it is fine.
std::string checkValue(const ParamSpec& spec, const Json& value);
/// Reads one command-line or form text as a value of the declared kind.
/// @throws InputError with the flag's name and what is expected.
Json parseValue(const ParamSpec& spec, const std::string& text);
/// Value as the command line writes it; parseValue reads it back.
std::string valueText(const Json& value);

Json toJson(const ParamSpec& spec);
ParamSpec paramSpecFromJson(const Json& json);

} // namespace lathe
