// SPDX-License-Identifier: Apache-2.0
#include "experiments/studies/decode_params.h"

#include "engine/core/check.h"
#include "engine/core/decode_log.h"
#include "engine/core/hash.h"
#include "engine/io/mapped_file.h"
#include "engine/quant/quantizer.h"
#include "experiments/metrics.h"
#include "experiments/studies/params.h"

#include <filesystem>

namespace lathe {

namespace {

/// A preset file is a page of text.
constexpr std::size_t kMostPresetBytes = 1 << 20;

std::filesystem::path tunedFile(const Json& params) {
    const std::string little = textOf(params, "little");
    LATHE_CHECK(!little.empty(), "--preset tuned is the one of a pair; name its --little");
    std::filesystem::path file = resolveModel(little) / "tuned.json";
    LATHE_CHECK(
        std::filesystem::is_regular_file(file),
        "there is no tuned preset for " + little + " (" + file.string() +
            "); make one with decode.tune --out FILE and name it with --preset FILE");
    return file;
}

/// Thresholds say something of the two models that they were chosen for alone.
void requireTunedFor(const BildPreset& preset, const Json& params, const std::string& file) {
    for (const char* which : {"big", "little"}) {
        const std::string name = textOf(params, which);
        const Json& made = preset.provenance;
        const std::string hash = std::string(which) + "_hash";
        LATHE_CHECK(
            made.is_object() && made.value(hash, "") == hashPath(resolveModel(name)),
            "the tuned preset " + file + " was made for another " + which + " model than " + name +
                "; make one with decode.tune --out FILE and name it with --preset FILE");
    }
}

BildOptions presetFrom(const Json& params) {
    const std::string name = textOf(params, "preset");
    if (isPresetName(name)) {
        return bildPreset(name);
    }
    const std::string file = name == kTunedPreset ? tunedFile(params).string() : name;
    const BildPreset preset = bildPresetFromText(readTextFile(file, kMostPresetBytes), file);
    if (name == kTunedPreset) {
        requireTunedFor(preset, params, file);
    }
    return preset.options;
}

/// Null: not given.
const Json* given(const Json& params, const char* name) {
    const auto found = params.find(name);
    return found == params.end() || found->is_null() ? nullptr : &*found;
}

std::vector<ParamSpec> thresholdParams(bool sweep) {
    return {
        {.name = "preset",
         .kind = ParamKind::File,
         .defaultValue = "strict",
         .help = "strict, paper, reference, tuned (what comes with the little model) or the file "
                 "of a preset; what is given beside it holds",
         .choices = {"strict", "paper", "reference", kTunedPreset}},
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

/// Methods of quantization that need the weights alone.
std::vector<std::string> plainMethods() {
    std::vector<std::string> names;
    for (const auto& method : quantizers().all()) {
        if (!method->info().usesSensitivity) {
            names.push_back(method->info().id);
        }
    }
    return names;
}

std::vector<ParamSpec> drafterParams() {
    return {
        {.name = "self_method",
         .kind = ParamKind::Choice,
         .defaultValue = "kmeans",
         .help = "How the copy of the big model is quantized that drafts for it; self",
         .choices = plainMethods(),
         .advanced = true},
        {.name = "self_bits",
         .kind = ParamKind::Integer,
         .defaultValue = 4,
         .help = "Of a weight of the copy; self",
         .unit = "bit",
         .minimum = 2,
         .maximum = 8,
         .advanced = true},
        {.name = "exit_layer",
         .kind = ParamKind::Integer,
         .defaultValue = 0,
         .help = "Layers of the big model that draft for it; 0: half of them; early-exit",
         .minimum = 0,
         .maximum = 1 << 10,
         .advanced = true}};
}

/// @throws InputError for the little model where none is named.
Drafter drafterOf(const std::string& strategy, const Json& params) {
    if (strategy == "self") {
        return Drafter::Copy;
    }
    if (strategy == "early-exit") {
        return Drafter::FirstLayers;
    }
    LATHE_CHECK(
        !textOf(params, "little").empty(),
        "with " + strategy + " a little model drafts; name one with --little");
    return Drafter::Little;
}

} // namespace

std::vector<std::string> strategyNames() {
    return {"big", "little", "bild", "lossless", "lookup", "self", "early-exit"};
}

ParamSpec drafterParam() {
    return {
        .name = "drafter",
        .kind = ParamKind::Choice,
        .defaultValue = "bild",
        .help =
            "Who drafts: the little model (bild), a quantized copy of the big one (self) or its "
            "first layers (early-exit)",
        .choices = {"bild", "self", "early-exit"}};
}

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
         .help = "Model that drafts; not for self and early-exit, where the big one drafts itself",
         .choices = {kTranslates}}};
    append(params, thresholdParams(sweep));
    append(params, drafterParams());
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
                  .advanced = true},
                 {.name = "repetition_penalty",
                  .kind = ParamKind::Real,
                  .defaultValue = 1.0,
                  .help = "Factor of the logarithms of the probabilities of ids that the text has, "
                          "in every row of both models; 1: none",
                  .minimum = 0.01,
                  .maximum = 100.0,
                  .advanced = true},
                 {.name = "ban",
                  .kind = ParamKind::Text,
                  .defaultValue = "",
                  .help = "Words or pieces that neither model may write, as in dog,cat",
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

std::vector<std::filesystem::path> presetFiles(const Json& params) {
    if (textOf(params, "preset") != kTunedPreset) {
        return {};
    }
    return {tunedFile(params)};
}

BildOptions bildFrom(const Json& params) {
    BildOptions options = presetFrom(params);
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

Strategy strategyFrom(const std::string& name, const Json& params) {
    const SamplingOptions sampling = samplingFrom(params);
    const int drafts = params.at("draft_length").get<int>();
    if (name == "big") {
        return {bigAlone(sampling)};
    }
    if (name == "lookup") {
        return {promptLookup(drafts, sampling)};
    }
    const Drafter drafter = drafterOf(name, params);
    if (name == "little") {
        return {littleAlone(sampling), drafter};
    }
    if (name == "lossless") {
        return {lossless(drafts, sampling), drafter};
    }
    LATHE_CHECK(
        name == "bild" || drafter != Drafter::Little, "there is no strategy '" + name + "'");
    return {bild(bildFrom(params), sampling), drafter};
}

PairChoice pairChoiceFrom(const Json& params) {
    return {
        .big = textOf(params, "big"),
        .little = textOf(params, "little"),
        .copy =
            {.method = textOf(params, "self_method"), .bits = params.at("self_bits").get<int>()},
        .repetitionPenalty = params.at("repetition_penalty").get<double>(),
        .banned = listItems(textOf(params, "ban")),
        .exitLayer = params.at("exit_layer").get<int>()};
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
