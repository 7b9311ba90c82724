// SPDX-License-Identifier: Apache-2.0
#include "experiments/studies/decode_params.h"

#include "engine/core/check.h"
#include "engine/core/decode_log.h"
#include "engine/io/mapped_file.h"
#include "experiments/metrics.h"
#include "experiments/studies/params.h"

#include <filesystem>

namespace lathe {

namespace {

/// A preset file is a page of text.
constexpr std::size_t kMostPresetBytes = 1 << 20;

BildOptions presetFrom(const std::string& name) {
    if (isPresetName(name)) {
        return bildPreset(name);
    }
    LATHE_CHECK(
        std::filesystem::is_regular_file(name),
        "--preset " + name + " is neither strict, paper or reference nor a file");
    return bildPresetFromText(readTextFile(name, kMostPresetBytes), name).options;
}

/// Null: not given.
const Json* given(const Json& params, const char* name) {
    const auto found = params.find(name);
    return found == params.end() || found->is_null() ? nullptr : &*found;
}

std::vector<ParamSpec> thresholdParams(bool sweep) {
    return {
        {.name = "preset",
         .kind = ParamKind::Text,
         .defaultValue = "strict",
         .help = "strict, paper, reference or the file of a tuned preset; what is given beside it "
                 "holds"},
        {.name = "alpha_fb",
         .kind = ParamKind::Real,
         .help = "Fall back to the big model when the little one's largest probability is below; "
                 "1: always, 0: never",
         .minimum = 0.0,
         .sweep = sweep},
        {.name = "alpha_rb",
         .kind = ParamKind::Real,
         .help = "Undo a draft beyond this distance; 0: whenever the big model's first choice is "
                 "another",
         .unit = "nat",
         .minimum = 0.0,
         .sweep = sweep},
        {.name = "max_run",
         .kind = ParamKind::Integer,
         .help = "Drafts in a row before the big model looks at them",
         .unit = "token",
         .minimum = 0,
         .maximum = 1 << 16},
        {.name = "metric",
         .kind = ParamKind::Choice,
         .help = "Distance of a draft: absolute, -ln p; relative, to the big model's first choice",
         .choices = {"absolute", "relative"},
         .advanced = true},
        {.name = "overshoot_guard",
         .kind = ParamKind::Flag,
         .help = "Undo a draft that goes on where the big model would end the text",
         .advanced = true}};
}

} // namespace

std::vector<std::string> strategyNames() { return {"big", "little", "bild", "lossless", "lookup"}; }

ParamSpec maxNewParam() {
    return {
        .name = "max_new",
        .kind = ParamKind::Integer,
        .defaultValue = 128,
        .help = "New tokens at most",
        .unit = "token",
        .minimum = 1,
        .maximum = 1 << 20};
}

std::vector<ParamSpec> strategyParams(bool sweep) {
    std::vector<ParamSpec> params{
        {.name = "big",
         .kind = ParamKind::Model,
         .help = "Model whose text is wanted",
         .choices = {kTranslates},
         .required = true},
        {.name = "little",
         .kind = ParamKind::Model,
         .help = "Model that drafts; a quantized copy of the big one is one, too",
         .choices = {kTranslates},
         .required = true}};
    append(params, thresholdParams(sweep));
    append<ParamSpec>(
        params, {{.name = "draft_length",
                  .kind = ParamKind::Integer,
                  .defaultValue = 4,
                  .help = "Drafts of a call of the big model; lossless and lookup",
                  .unit = "token",
                  .minimum = 1,
                  .maximum = 1 << 10},
                 maxNewParam(),
                 {.name = "temperature",
                  .kind = ParamKind::Real,
                  .defaultValue = 0.0,
                  .help = "Of both models; 0: the likeliest token each time",
                  .minimum = 0.0,
                  .maximum = 100.0},
                 {.name = "top_k",
                  .kind = ParamKind::Integer,
                  .defaultValue = 0,
                  .help = "Draw from this many likeliest tokens; 0: all",
                  .minimum = 0,
                  .advanced = true},
                 {.name = "top_p",
                  .kind = ParamKind::Real,
                  .defaultValue = 1.0,
                  .help = "Draw from the likeliest tokens that reach this probability together",
                  .minimum = 1e-6,
                  .maximum = 1.0,
                  .advanced = true}});
    return params;
}

SamplingOptions samplingFrom(const Json& params) {
    const auto temperature = params.at("temperature").get<double>();
    const SamplingOptions sampling{
        .greedy = temperature == 0.0,
        .temperature = temperature == 0.0 ? 1.0 : temperature,
        .topP = params.at("top_p").get<double>(),
        .topK = params.at("top_k").get<int>()};
    checkSampling(sampling);
    return sampling;
}

bool isPresetName(const std::string& name) {
    return name == "strict" || name == "paper" || name == "reference";
}

BildOptions bildFrom(const Json& params) {
    BildOptions options = presetFrom(textOf(params, "preset"));
    if (const Json* fallback = given(params, "alpha_fb")) {
        options.fallback = fallback->get<double>();
    }
    if (const Json* rollback = given(params, "alpha_rb")) {
        options.rollback = rollback->get<double>();
    }
    if (const Json* run = given(params, "max_run")) {
        options.maxRun = run->get<int>();
    }
    if (const Json* metric = given(params, "metric")) {
        options.metric =
            *metric == "relative" ? RollbackMetric::Relative : RollbackMetric::Absolute;
    }
    if (const Json* guard = given(params, "overshoot_guard")) {
        options.overshootGuard = guard->get<bool>();
    }
    return options;
}

DraftOptions strategyFrom(const std::string& name, const Json& params) {
    const SamplingOptions sampling = samplingFrom(params);
    const int drafts = params.at("draft_length").get<int>();
    if (name == "big") {
        return bigAlone(sampling);
    }
    if (name == "little") {
        return littleAlone(sampling);
    }
    if (name == "lossless") {
        return lossless(drafts, sampling);
    }
    if (name == "lookup") {
        return promptLookup(drafts, sampling);
    }
    LATHE_CHECK(name == "bild", "there is no strategy '" + name + "'");
    return bild(bildFrom(params), sampling);
}

std::vector<MetricInfo> countMetrics() {
    return {
        {"fallback_rate", "Fallbacks per little step", "", 0, {}},
        {"rollback_rate", "Rollbacks per draft", "", 0, {}},
        {"big_calls", "Calls of the big model", "", -1, {}},
        {"big_rows", "Rows of the big model", "", -1, "Tokens that it was fed"},
        {"small_steps", "Steps of the little model", "", -1, {}},
        {"drafts", "Drafts", "token", 0, {}},
        {"agreed", "Kept, agreed", "token", 0, "The big model would have written the same"},
        {"tolerated", "Kept, tolerated", "token", 0, "It would not, but is near enough"},
        {"rollbacks", "Rolled back", "token", 0, {}},
        {"flushed", "Flushed", "token", 0, "Drafts behind one that was rolled back"},
        {"discarded", "Little steps for nothing", "", -1, {}}};
}

void putCounts(Json& metrics, const DecodeCounts& counts) {
    metrics["fallback_rate"] = counts.fallbackRate();
    metrics["rollback_rate"] = counts.rollbackRate();
    metrics["big_calls"] = counts.bigCalls;
    metrics["big_rows"] = counts.bigRows;
    metrics["small_steps"] = counts.smallSteps;
    metrics["drafts"] = counts.drafts;
    metrics["agreed"] = counts.agreed;
    metrics["tolerated"] = counts.tolerated;
    metrics["rollbacks"] = counts.rollbacks;
    metrics["flushed"] = counts.flushed;
    metrics["discarded"] = counts.discarded();
}

} // namespace lathe
