// SPDX-License-Identifier: Apache-2.0
#include "experiments/cli/arguments.h"

#include "engine/core/error.h"
#include "engine/core/param_path.h"
#include "experiments/model_cache.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <charconv>
#include <filesystem>
#include <map>

namespace lathe {

namespace {

/// Values of one flag as typed; commas separate those of a sweep axis.
std::vector<std::string> splitList(const std::string& text) {
    std::vector<std::string> parts;
    std::size_t from = 0;
    for (std::size_t comma = text.find(','); comma != std::string::npos;
         comma = text.find(',', from)) {
        parts.push_back(text.substr(from, comma - from));
        from = comma + 1;
    }
    parts.push_back(text.substr(from));
    return parts;
}

/// Whether a model is named by its place rather than by the name of a bundled one.
bool isModelPath(const std::filesystem::path& path) {
    std::error_code unreadable;
    return path.has_parent_path() || path.extension() == ".gguf" ||
           (std::filesystem::exists(path, unreadable) &&
            resolveModel(path.string()) == std::filesystem::absolute(path));
}

/// Models in files, too, are stored by their full path.
Json storedValue(const ParamSpec& param, Json value) {
    if (param.kind == ParamKind::Model && value.is_string() &&
        isModelPath(value.get_ref<const std::string&>())) {
        return fullPath(value.get<std::string>());
    }
    return withFullPath(param, std::move(value));
}

void setParam(Spec& spec, const ParamSpec& param, const std::string& text) {
    const std::vector<std::string> texts =
        param.sweep ? splitList(text) : std::vector<std::string>{text};
    Json values = Json::array();
    for (const std::string& one : texts) {
        values.push_back(storedValue(param, parseValue(param, one)));
    }
    if (values.size() > 1) {
        spec.sweep[param.name] = std::move(values);
    } else {
        spec.params[param.name] = values.front();
    }
}

/// The flags that every study has.
struct GeneralFlags {
    CLI::Option* device;
    CLI::Option* target;
    CLI::Option* threads;
    CLI::Option* seed;
    CLI::Option* repeat;

    bool given() const {
        return device->count() + target->count() + threads->count() + seed->count() +
                   repeat->count() >
               0;
    }
};

/// Strict: a library's conversion would wrap -1 around.
std::uint64_t readSeed(const std::string& text) {
    std::uint64_t seed = 0;
    const char* end = text.data() + text.size();
    const auto [stop, error] = std::from_chars(text.data(), end, seed);
    if (error != std::errc{} || stop != end) {
        throw InputError("--seed must be a whole number from 0 to 2^64 - 1, not '" + text + "'");
    }
    return seed;
}

GeneralFlags addGeneralFlags(CLI::App& app, StudyCommand& command, std::string& seed) {
    app.add_option("--store", command.store);
    app.add_option("--json", command.json);
    app.add_option("--title", command.title);
    app.add_option("--resume", command.resume);
    app.add_flag("--quiet", command.quiet);
    return {
        app.add_option("--device", command.spec.device),
        app.add_option("--target", command.spec.target),
        app.add_option("--threads", command.spec.threads), app.add_option("--seed", seed),
        app.add_option("--repeat", command.spec.repeat)};
}

} // namespace

const ParamSpec* positionalParam(const StudyInfo& info) {
    const auto first = std::ranges::find_if(info.params, &ParamSpec::required);
    return first != info.params.end() && first->kind != ParamKind::Flag ? &*first : nullptr;
}

std::optional<StudyCommand>
parseStudyCommand(const StudyInfo& info, const std::vector<std::string>& arguments) {
    StudyCommand command;
    command.spec.study = info.id;
    CLI::App app(info.summary, info.id);
    std::string seed;
    const GeneralFlags general = addGeneralFlags(app, command, seed);
    std::map<std::string, std::string> texts;
    std::map<std::string, CLI::Option*> options;
    const ParamSpec* positional = positionalParam(info);
    for (const ParamSpec& param : info.params) {
        const std::string flag =
            "--" + param.flagName() + (&param == positional ? "," + param.flagName() : "");
        options[param.name] = param.kind == ParamKind::Flag
                                  ? app.add_flag(flag, texts[param.name])
                                  : app.add_option(flag, texts[param.name]);
    }
    app.allow_extras();
    try {
        std::vector<std::string> reversed(arguments.rbegin(), arguments.rend());
        app.parse(std::move(reversed));
    } catch (const CLI::CallForHelp&) {
        return std::nullopt;
    } catch (const CLI::ParseError& e) {
        throw InputError(info.id + ": " + e.what() + " (see lathe-run " + info.id + " --help)");
    }
    if (const std::vector<std::string> extras = app.remaining(); !extras.empty()) {
        throw InputError(
            info.id + ": '" + extras.front() + "' is not known (see lathe-run " + info.id +
            " --help)");
    }
    command.specGiven = general.given();
    if (general.seed->count() > 0) {
        command.spec.seed = readSeed(seed);
    }
    for (const ParamSpec& param : info.params) {
        if (options[param.name]->count() > 0) {
            command.specGiven = true;
            setParam(command.spec, param, texts[param.name]);
        }
    }
    return command;
}

std::string jsonTarget(const std::vector<std::string>& arguments) {
    const std::string flag = "--json";
    for (std::size_t i = 0; i < arguments.size(); ++i) {
        if (arguments[i] == flag && i + 1 < arguments.size()) {
            return arguments[i + 1];
        }
        if (arguments[i].starts_with(flag + "=")) {
            return arguments[i].substr(flag.size() + 1);
        }
    }
    return {};
}

} // namespace lathe
