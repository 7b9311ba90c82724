// SPDX-License-Identifier: Apache-2.0
#include "engine/core/check.h"
#include "experiments/elapsed.h"
#include "experiments/metrics.h"
#include "experiments/model_cache.h"
#include "experiments/studies/factories.h"
#include "experiments/studies/params.h"
#include "experiments/text_generation.h"
#include "kernels/core/benchmark.h"

#include <algorithm>

namespace lathe {

namespace {

StudyInfo describeStudy() {
    StudyInfo info{
        .id = "lm.generate",
        .title = "Generate text",
        .summary = "Continues a prompt, or translates it with an encoder-decoder, token by token "
                   "and measures the time of a token",
        .params = {modelParam()}};
    append<ParamSpec>(
        info.params,
        {{.name = "prompt",
          .kind = ParamKind::Text,
          .defaultValue = "It was a dark night, and",
          .help = "Text to continue, or to translate"},
         {.name = "max_new",
          .kind = ParamKind::Integer,
          .defaultValue = 48,
          .help = "Tokens to make at most",
          .unit = "token",
          .minimum = 1,
          .maximum = 1 << 20},
         {.name = "greedy",
          .kind = ParamKind::Flag,
          .defaultValue = false,
          .help = "Take the most probable token every time"},
         {.name = "temperature",
          .kind = ParamKind::Real,
          .defaultValue = 0.8,
          .help = "Divides the logits before sampling: below 1 is more certain",
          .minimum = 1e-3,
          .maximum = 100.0},
         {.name = "top_p",
          .kind = ParamKind::Real,
          .defaultValue = 0.95,
          .help = "Sample from the most probable tokens that together reach this probability",
          .minimum = 1e-6,
          .maximum = 1.0,
          .advanced = true},
         {.name = "top_k",
          .kind = ParamKind::Integer,
          .defaultValue = 0,
          .help = "Sample from this many of the most probable tokens; 0: all",
          .unit = "token",
          .minimum = 0,
          .maximum = 1 << 24,
          .advanced = true},
         {.name = "bandwidth",
          .kind = ParamKind::Flag,
          .defaultValue = false,
          .help = "Measure the device's copy bandwidth as well and report the share that decoding "
                  "reaches",
          .advanced = true}});
    info.metrics = {
        {"text", "Text", "", 0, "The continuation, without the prompt"},
        {"ids", "Token ids", "", 0, "Of the continuation"},
        {"ms_per_token", "Time per token", "ms", -1,
         "Median step after the one that reads the prompt; with --repeat, the median of the runs"},
        {"ms_per_token_min", "Time per token, shortest", "ms", 0, {}},
        {"ms_per_token_max", "Time per token, longest", "ms", 0, {}},
        {"encoder_ms", "Time of the encoder", "ms", -1, "Reading the source, where there is one"},
        {"first_token_ms", "Time to the first token", "ms", -1, "Includes reading the prompt"},
        {"tokens", "New tokens", "token", 0, {}},
        {"prompt_tokens", "Prompt tokens", "token", 0, "Or those of the source"},
        {"bytes_per_token", "Weights read per token", "byte", -1, {}},
        {"gb_per_s", "Weights read per second", "GB/s", 1, {}},
        {"copy_gb_per_s", "Copy bandwidth", "GB/s", 0, "Read and written bytes counted"},
        {"share_of_copy", "Share of the copy bandwidth", "", 1, {}},
        {"output_hash", "Hash of the ids", "", 0, {}}};
    return info;
}

/// Bytes of weights that one step reads: of an untied embedding it reads one row only.
std::int64_t bytesPerToken(const LoadedModel& loaded) {
    if (loaded.translator) {
        return loaded.translator->stepBytes();
    }
    const LlamaModel& model = *loaded.model;
    const LlamaConfig& config = model.config();
    const std::int64_t embeddingElements = config.vocabularySize * config.hiddenSize;
    const std::int64_t perElement = config.dtype == "float32" || config.dtype == "F32" ? 4 : 2;
    return model.weightBytes() - (config.tiedHead ? 0 : embeddingElements * perElement);
}

/// Steps after the first, which reads the whole prompt; the first alone when there is no other.
std::vector<double> decodingSteps(const Continuation& continuation) {
    const std::vector<double>& all = continuation.stepMilliseconds;
    return all.size() > 1 ? std::vector<double>(all.begin() + 1, all.end()) : all;
}

class LmGenerate : public Study {
public:
    const StudyInfo& info() const override { return m_info; }
    Json run(const Spec& spec, StudyContext& context) const override;

private:
    StudyInfo m_info = describeStudy();
};

ContinuationRequest requestFrom(const Spec& spec, const LoadedModel& model) {
    const Json& params = spec.params;
    ContinuationRequest request;
    request.modelName = model.name;
    request.options.maxNew = params.at("max_new").get<int>();
    request.options.sampling = {
        .greedy = params.at("greedy").get<bool>(),
        .temperature = params.at("temperature").get<double>(),
        .topP = params.at("top_p").get<double>(),
        .topK = params.at("top_k").get<int>()};
    request.seed = spec.seed;
    request.live = true;
    if (const Encoder* encoder = model.encoder()) {
        request.prompt = {encoder->startToken()};
        return request;
    }
    request.prompt = promptIds(model.requireTokenizer(), textOf(params, "prompt"));
    const auto promptTokens = static_cast<std::int64_t>(request.prompt.size());
    LATHE_CHECK(
        promptTokens < model.model->maxPositions(),
        "the prompt has " + std::to_string(promptTokens) + " tokens, but " + model.name + " has " +
            std::to_string(model.model->maxPositions()) + " positions; shorten it");
    return request;
}

/// Reads the source of an encoder-decoder, with its size and time into the metrics.
EncoderOutput
readSource(const Spec& spec, StudyContext& context, const LoadedModel& model, Json& metrics) {
    const std::vector<TokenId> source =
        sourceIds(model.requireTokenizer(), *model.encoder(), textOf(spec.params, "prompt"));
    std::vector<double> times;
    EncoderOutput encoded;
    for (int i = 0; i < std::max(1, spec.repeat); ++i) {
        const auto start = Clock::now();
        encoded = model.encoder()->encode(context.exec, source);
        context.exec.synchronize();
        times.push_back(1000.0 * secondsSince(start));
    }
    metrics["prompt_tokens"] = source.size();
    metrics["encoder_ms"] = jsonNumber(median(times));
    return encoded;
}

Json LmGenerate::run(const Spec& spec, StudyContext& context) const {
    const auto model =
        context.models.loadAny(textOf(spec.params, "model"), context.exec, context.run);
    const Tokenizer& tokenizer = model->requireTokenizer();
    ContinuationRequest request = requestFrom(spec, *model);
    Json metrics{{"prompt_tokens", request.prompt.size()}};
    EncoderOutput encoded;
    if (model->encoder() != nullptr) {
        encoded = readSource(spec, context, *model, metrics);
        request.options.encoder = &encoded;
    }
    context.run.progress(0.0, "generating");
    const Continuation first = continueText(context, model->decoder(), tokenizer, request);
    std::vector<double> times = decodingSteps(first);
    if (spec.repeat > 1) {
        // The run that was watched is the warm-up: events are emitted between its steps.
        request.live = false;
        times.clear();
        for (int i = 0; i < spec.repeat; ++i) {
            context.run.progress(
                static_cast<double>(i) / spec.repeat, "timing run " + std::to_string(i + 1));
            times.push_back(
                median(decodingSteps(continueText(context, model->decoder(), tokenizer, request))));
        }
    }
    metrics["text"] = first.text;
    metrics["ids"] = first.ids;
    metrics["tokens"] = first.ids.size();
    metrics["output_hash"] = hashIds(first.ids);
    if (times.empty()) {
        return metrics;
    }
    putTiming(metrics, "ms_per_token", times);
    metrics["first_token_ms"] = jsonNumber(first.stepMilliseconds.front());
    const std::int64_t bytes = bytesPerToken(*model);
    const double bytesPerSecond = static_cast<double>(bytes) / (median(times) / 1000.0);
    metrics["bytes_per_token"] = bytes;
    metrics["gb_per_s"] = jsonNumber(bytesPerSecond / 1e9);
    if (spec.params.at("bandwidth").get<bool>()) {
        context.run.progress(0.95, "measuring the copy bandwidth");
        const double copy = measureCopyBandwidth(context.exec);
        metrics["copy_gb_per_s"] = jsonNumber(copy / 1e9);
        metrics["share_of_copy"] = jsonNumber(bytesPerSecond / copy);
    }
    return metrics;
}

} // namespace

std::unique_ptr<Study> makeLmGenerate() { return std::make_unique<LmGenerate>(); }

} // namespace lathe
