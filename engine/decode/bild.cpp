// SPDX-License-Identifier: Apache-2.0
#include "engine/decode/bild.h"

#include "engine/core/check.h"
#include "engine/core/json_number.h"

#include <cmath>

namespace lathe {

namespace {

Json numberJson(double value) {
    return std::isinf(value) ? Json(value > 0.0 ? "inf" : "-inf") : Json(value);
}

[[noreturn]] void refuse(const std::string& name, const Json& value, const char* wanted) {
    throw FormatError(
        "'" + validUtf8(name) + "' must be " + wanted + ", not " + dumpJson(value).substr(0, 100));
}

double numberFrom(const std::string& name, const Json& value) {
    if (value.is_number()) {
        return value.get<double>();
    }
    if (value == "inf" || value == "-inf") {
        return value == "inf" ? std::numeric_limits<double>::infinity()
                              : -std::numeric_limits<double>::infinity();
    }
    refuse(name, value, "a number, \"inf\" or \"-inf\"");
}

int runFrom(const std::string& name, const Json& value) {
    if (value == "inf") {
        return kUnlimitedRun;
    }
    const int run = wholeNumber<int>(Json{{name, value}}, name.c_str());
    if (run < 0) {
        refuse(name, value, "0 or more, or \"inf\"");
    }
    return run;
}

bool flagFrom(const std::string& name, const Json& value) {
    if (!value.is_boolean()) {
        refuse(name, value, "true or false");
    }
    return value.get<bool>();
}

Mover moverFrom(const std::string& name, const Json& value) {
    if (value != "small" && value != "large") {
        refuse(name, value, "\"small\" or \"large\"");
    }
    return value == "small" ? Mover::Little : Mover::Big;
}

RollbackMetric metricFrom(const std::string& name, const Json& value) {
    if (value != "absolute" && value != "relative") {
        refuse(name, value, "\"absolute\" or \"relative\"");
    }
    return value == "absolute" ? RollbackMetric::Absolute : RollbackMetric::Relative;
}

const char* nameOf(Mover mover) { return mover == Mover::Little ? "small" : "large"; }

DraftOptions verbatim(int draftLength, const SamplingOptions& sampling) {
    DraftOptions options{.lossless = true, .sampling = sampling};
    options.bild = {.fallback = 0.0, .rollback = 0.0, .maxRun = draftLength};
    return options;
}

} // namespace

BildOptions bildPreset(std::string_view name) {
    if (name == "strict") {
        return {};
    }
    if (name == "paper") {
        return {.verifyTail = false};
    }
    if (name == "reference") {
        return {
            .startWith = Mover::Big,
            .afterRollback = Mover::Big,
            .verifyTail = false,
            .maskedSearch = true};
    }
    throw InputError(
        "there is no preset '" + validUtf8(name) + "'; strict, paper and reference are known");
}

DraftOptions bigAlone(const SamplingOptions& sampling) {
    DraftOptions options{.sampling = sampling};
    options.bild.maxRun = 0;
    options.bild.startWith = Mover::Big;
    return options;
}

DraftOptions littleAlone(const SamplingOptions& sampling) {
    DraftOptions options{.sampling = sampling};
    options.bild = {.fallback = 0.0, .maxRun = kUnlimitedRun, .verifyTail = false};
    options.bild.rollback = std::numeric_limits<double>::infinity();
    return options;
}

DraftOptions bild(const BildOptions& options, const SamplingOptions& sampling) {
    return {.bild = options, .sampling = sampling};
}

DraftOptions lossless(int draftLength, const SamplingOptions& sampling) {
    return verbatim(draftLength, sampling);
}

DraftOptions promptLookup(int draftLength, const SamplingOptions& sampling) {
    DraftOptions options = verbatim(draftLength, sampling);
    options.source = DraftSource::Text;
    return options;
}

void checkOptions(const DraftOptions& options) {
    LATHE_CHECK(
        !std::isnan(options.bild.fallback) && !std::isnan(options.bild.rollback),
        "a fallback or rollback threshold is not a number");
    LATHE_CHECK(
        options.bild.maxRun >= 0,
        "the number of drafts in a row is " + std::to_string(options.bild.maxRun) + ", below 0");
    LATHE_CHECK(
        options.longestMatch >= 1, "copied drafts need a match of at least 1 token, not " +
                                       std::to_string(options.longestMatch));
    LATHE_CHECK(
        !options.lossless || options.bild.verifyTail,
        "a lossless strategy has to judge the drafts at the end of a text too");
    checkSampling(options.sampling);
}

Json toJson(const BildOptions& options) {
    return {
        {"alpha_fb", numberJson(options.fallback)},
        {"alpha_rb", numberJson(options.rollback)},
        {"max_run", options.maxRun == kUnlimitedRun ? Json("inf") : Json(options.maxRun)},
        {"start_with", nameOf(options.startWith)},
        {"after_rollback", nameOf(options.afterRollback)},
        {"verify_tail", options.verifyTail},
        {"masked_search", options.maskedSearch},
        {"metric", options.metric == RollbackMetric::Absolute ? "absolute" : "relative"},
        {"overshoot_guard", options.overshootGuard}};
}

BildOptions bildFromJson(const Json& json, const BildOptions& base) {
    if (!json.is_object()) {
        throw FormatError("the parameters of a preset must be an object");
    }
    BildOptions options = base;
    for (const auto& [name, value] : json.items()) {
        if (name == "alpha_fb") {
            options.fallback = numberFrom(name, value);
        } else if (name == "alpha_rb") {
            options.rollback = numberFrom(name, value);
        } else if (name == "max_run") {
            options.maxRun = runFrom(name, value);
        } else if (name == "start_with") {
            options.startWith = moverFrom(name, value);
        } else if (name == "after_rollback") {
            options.afterRollback = moverFrom(name, value);
        } else if (name == "verify_tail") {
            options.verifyTail = flagFrom(name, value);
        } else if (name == "masked_search") {
            options.maskedSearch = flagFrom(name, value);
        } else if (name == "metric") {
            options.metric = metricFrom(name, value);
        } else if (name == "overshoot_guard") {
            options.overshootGuard = flagFrom(name, value);
        } else {
            throw FormatError("a preset has no parameter '" + validUtf8(name) + "'");
        }
    }
    return options;
}

Json toJson(const BildPreset& preset) {
    return {
        {"preset", preset.name},
        {"bild", toJson(preset.options)},
        {"provenance", preset.provenance}};
}

BildPreset bildPresetFromText(std::string_view text, std::string_view what) {
    const Json json = parseJson(text, what);
    try {
        if (!json.is_object() || !json.contains("preset") || !json.at("preset").is_string() ||
            !json.contains("bild")) {
            throw FormatError("a preset file is an object with 'preset' and 'bild'");
        }
        BildPreset preset{.name = json.at("preset").get<std::string>()};
        preset.options = bildFromJson(json.at("bild"), bildPreset(preset.name));
        preset.provenance = json.value("provenance", Json::object());
        return preset;
    } catch (Error& e) {
        e.addContext(what);
        throw;
    }
}

} // namespace lathe
