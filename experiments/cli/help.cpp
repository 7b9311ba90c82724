// SPDX-License-Identifier: Apache-2.0
#include "experiments/cli/arguments.h"
#include "experiments/cli/text_table.h"

#include <cmath>

namespace lathe {

namespace {

constexpr std::size_t kDefaultWidth = 24;

const char* placeholder(ParamKind kind) {
    switch (kind) {
    case ParamKind::Flag:
        return "";
    case ParamKind::Integer:
        return " N";
    case ParamKind::Real:
        return " X";
    case ParamKind::File:
        return " FILE";
    case ParamKind::Folder:
        return " FOLDER";
    case ParamKind::Model:
        return " MODEL";
    case ParamKind::Text:
    case ParamKind::Choice:
        return " TEXT";
    }
    return "";
}

std::string allowed(const ParamSpec& param) {
    std::string text;
    if (param.kind == ParamKind::Choice || param.kind == ParamKind::File) {
        for (const std::string& choice : param.choices) {
            text += (text.empty() ? "" : "|") + choice;
        }
    }
    const bool low = std::isfinite(param.minimum);
    const bool high = std::isfinite(param.maximum);
    if (low || high) {
        text = (low ? readable(param.minimum) : "") + ".." + (high ? readable(param.maximum) : "");
    }
    return text;
}

constexpr const char* kGeneralFlags =
    "Flags of every study:\n"
    "  --device auto|cpu|cuda[:N]        where it runs (default: auto)\n"
    "  --target scalar|avx2|avx512|cuda  set of kernels (default: the best one)\n"
    "  --threads N                       CPU threads (default: one per core)\n"
    "  --seed N                          of everything random (default: 1)\n"
    "  --repeat N                        timed repetitions, the median counts (default: 1)\n"
    "  --store FILE                      run store (default: the user's data folder)\n"
    "  --json FILE|-                     one JSON object per line for each cell; - is standard "
    "output\n"
    "  --title TEXT                      shown in the list of runs\n"
    "  --resume last|ID                  keep the finished cells of an earlier run of the same "
    "command;\n"
    "                                    an ID without other flags takes that run's parameters\n"
    "  --quiet                           no progress and no table\n";

} // namespace

std::string studyHelp(const StudyInfo& info) {
    std::string text = info.id + " - " + info.title + "\n" + info.summary + ".\n";
    if (!info.paper.empty()) {
        text += "Source: " + info.paper + "\n";
    }
    const ParamSpec* positional = positionalParam(info);
    text += "\nUsage: lathe-run " + info.id +
            (positional != nullptr ? placeholder(positional->kind) : "") + " [flags]\n\n";
    TextTable params({"Flag", "Default", "Allowed", "Meaning"});
    for (const ParamSpec& param : info.params) {
        std::string meaning = param.help;
        meaning += param.unit.empty() ? "" : " [" + param.unit + "]";
        meaning += param.sweep ? " (takes a list: a,b,c)" : "";
        const bool none = param.defaultValue.is_null() ||
                          (param.defaultValue.is_string() && param.defaultValue == "");
        params.add(
            {"--" + param.flagName() + placeholder(param.kind),
             param.required ? (&param == positional ? "(required, or alone)" : "(required)")
             : none         ? "-"
                            : shortened(readable(param.defaultValue), kDefaultWidth),
             allowed(param), meaning});
    }
    text += params.text() + "\n" + kGeneralFlags;
    if (!info.metrics.empty()) {
        TextTable metrics({"Metric", "Unit", "Better", "Meaning"});
        for (const MetricInfo& metric : info.metrics) {
            metrics.add(
                {metric.name, metric.unit,
                 metric.better < 0   ? "lower"
                 : metric.better > 0 ? "higher"
                                     : "",
                 metric.help.empty() ? metric.title : metric.title + ": " + metric.help});
        }
        text += "\n" + metrics.text();
    }
    return text;
}

std::string generalHelp(const std::vector<StudyInfo>& studies) {
    std::string text =
        "lathe-run - runs a study of Lathe, prints its results and stores them\n\n"
        "Usage: lathe-run STUDY [flags]     run a study; STUDY --help tells its flags\n"
        "       lathe-run runs list [FILTER] | show ID | export ID | tag ID TAGS | note ID TEXT\n"
        "       lathe-run models            models that can be named after --model\n"
        "       lathe-run devices           what can run here\n"
        "       lathe-run serve             the engine of the window\n"
        "       lathe-run --version | --help\n\n";
    TextTable table({"Study", "What it does"});
    for (const StudyInfo& study : studies) {
        table.add({study.id, study.summary});
    }
    return text + table.text() +
           "\nExit status: 0 done, 1 a check failed, 2 bad usage or input, 3 engine failure, 130 "
           "cancelled\n";
}

} // namespace lathe
