// SPDX-License-Identifier: Apache-2.0
#include "engine/core/spec.h"

#include "engine/core/error.h"
#include "engine/core/json_number.h"

#include <algorithm>
#include <cctype>

namespace lathe {

namespace {

constexpr int kMaxThreads = 1024;
constexpr int kMaxRepeat = 1000;

std::string shellQuoted(const std::string& text) {
    const bool plain = !text.empty() && std::ranges::all_of(text, [](unsigned char c) {
        return std::isalnum(c) != 0 ||
               std::string_view("-_./,:=+@%").find(static_cast<char>(c)) != std::string_view::npos;
    });
    if (plain) {
        return text;
    }
    std::string quoted = "'";
    for (const char c : text) {
        quoted += c == '\'' ? std::string("'\\''") : std::string(1, c);
    }
    return quoted + "'";
}

void checkHead(const Spec& spec, std::vector<Diagnostic>& out) {
    if (spec.threads < 0 || spec.threads > kMaxThreads) {
        out.push_back({"threads", "must be from 0 to 1024"});
    }
    if (spec.repeat < 1 || spec.repeat > kMaxRepeat) {
        out.push_back({"repeat", "must be from 1 to 1000"});
    }
}

void checkParams(const Spec& spec, const StudyInfo& info, std::vector<Diagnostic>& out) {
    for (const auto& [name, value] : spec.params.items()) {
        const ParamSpec* param = info.find(name);
        if (param == nullptr) {
            out.push_back({name, "is not a parameter of " + info.id});
        } else if (!(value.is_null() && !param->required)) {
            if (std::string problem = checkValue(*param, value); !problem.empty()) {
                out.push_back({name, std::move(problem)});
            }
        }
    }
    for (const ParamSpec& param : info.params) {
        if (param.required && !spec.params.contains(param.name) &&
            !spec.sweep.contains(param.name)) {
            out.push_back({param.name, "is missing: " + param.help});
        }
    }
}

void checkSweep(const Spec& spec, const StudyInfo& info, std::vector<Diagnostic>& out) {
    for (const auto& [name, values] : spec.sweep.items()) {
        const ParamSpec* param = info.find(name);
        if (param == nullptr || !param->sweep) {
            out.push_back({name, "cannot be swept by " + info.id});
            continue;
        }
        if (!values.is_array() || values.empty()) {
            out.push_back({name, "needs a list of at least one value to sweep over"});
            continue;
        }
        for (const Json& value : values) {
            if (std::string problem = checkValue(*param, value); !problem.empty()) {
                out.push_back({name, std::move(problem)});
            }
        }
    }
}

template <class T>
void readMember(const Json& json, const char* name, T& to) {
    if (const auto it = json.find(name); it != json.end()) {
        try {
            if constexpr (std::integral<T>) {
                to = wholeNumber<T>(json, name);
            } else {
                it->get_to(to);
            }
        } catch (const std::exception&) {
            throw FormatError(
                std::string("spec: member '") + name + "' has the wrong type: " + dumpJson(*it));
        }
    }
}

void readObject(const Json& json, const char* name, Json& to) {
    if (const auto it = json.find(name); it != json.end()) {
        if (!it->is_object()) {
            throw FormatError(std::string("spec: member '") + name + "' must be an object");
        }
        to = *it;
    }
}

} // namespace

Json toJson(const Spec& spec) {
    return {{"study", spec.study},   {"seed", spec.seed},       {"device", spec.device},
            {"target", spec.target}, {"threads", spec.threads}, {"repeat", spec.repeat},
            {"params", spec.params}, {"sweep", spec.sweep},     {"done", spec.done}};
}

Spec specFromJson(const Json& json) {
    if (!json.is_object()) {
        throw FormatError("spec: must be a JSON object");
    }
    static const std::vector<std::string> kMembers{
        "study", "seed", "device", "target", "threads", "repeat", "params", "sweep", "done"};
    for (const auto& [name, value] : json.items()) {
        if (std::ranges::find(kMembers, name) == kMembers.end()) {
            throw FormatError("spec: unknown member '" + name + "'");
        }
    }
    if (const auto seed = json.find("seed"); seed != json.end() && !seed->is_number_unsigned() &&
                                             !(seed->is_number_integer() && *seed >= 0)) {
        throw FormatError("spec: member 'seed' must be a whole number from 0");
    }
    Spec spec;
    readMember(json, "study", spec.study);
    if (spec.study.empty()) {
        throw FormatError("spec: member 'study' is missing or empty");
    }
    readMember(json, "seed", spec.seed);
    readMember(json, "device", spec.device);
    readMember(json, "target", spec.target);
    readMember(json, "threads", spec.threads);
    readMember(json, "repeat", spec.repeat);
    readObject(json, "params", spec.params);
    readObject(json, "sweep", spec.sweep);
    readMember(json, "done", spec.done);
    return spec;
}

std::vector<Diagnostic> validate(const Spec& spec, const StudyInfo& info) {
    std::vector<Diagnostic> out;
    checkHead(spec, out);
    checkParams(spec, info, out);
    checkSweep(spec, info, out);
    return out;
}

Spec withDefaults(Spec spec, const StudyInfo& info) {
    for (const ParamSpec& param : info.params) {
        const bool given = spec.params.contains(param.name) && !spec.params[param.name].is_null();
        if (!given && !spec.sweep.contains(param.name)) {
            spec.params[param.name] = param.defaultValue;
        }
    }
    return spec;
}

std::string commandLine(const Spec& spec, const StudyInfo& info) {
    std::string line = "lathe-run " + spec.study;
    const auto add = [&line](const std::string& flag, const std::string& value) {
        line += " --" + flag + " " + shellQuoted(value);
    };
    for (const ParamSpec& param : info.params) {
        if (const auto swept = spec.sweep.find(param.name); swept != spec.sweep.end()) {
            std::string values;
            for (const Json& value : *swept) {
                values += (values.empty() ? "" : ",") + valueText(value);
            }
            add(param.flagName(), values);
            continue;
        }
        const auto given = spec.params.find(param.name);
        if (given == spec.params.end() || given->is_null() || *given == param.defaultValue) {
            continue;
        }
        if (param.kind == ParamKind::Flag) {
            line += " --" + param.flagName() + (given->get<bool>() ? "" : "=false");
        } else {
            add(param.flagName(), valueText(*given));
        }
    }
    const Spec defaults;
    if (spec.seed != defaults.seed) {
        add("seed", std::to_string(spec.seed));
    }
    if (spec.device != defaults.device) {
        add("device", spec.device);
    }
    if (!spec.target.empty()) {
        add("target", spec.target);
    }
    if (spec.threads != defaults.threads) {
        add("threads", std::to_string(spec.threads));
    }
    if (spec.repeat != defaults.repeat) {
        add("repeat", std::to_string(spec.repeat));
    }
    return line;
}

} // namespace lathe
