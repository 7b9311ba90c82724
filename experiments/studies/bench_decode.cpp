// SPDX-License-Identifier: Apache-2.0
#include "engine/base/random.h"
#include "engine/core/check.h"
#include "engine/models/llama_decode.h"
#include "engine/models/llama_random.h"
#include "experiments/elapsed.h"
#include "experiments/metrics.h"
#include "experiments/studies/factories.h"
#include "experiments/studies/llama_shapes.h"
#include "experiments/studies/params.h"
#include "kernels/core/benchmark.h"
#include "kernels/core/captured_graph.h"

#include <algorithm>
#include <cmath>

namespace lathe {

namespace {

constexpr int kMinimumRepeats = 5;
constexpr int kWarmUpSteps = 3;
/// Steps of a graph when parts of a step are timed.
constexpr int kPartSteps = 16;

std::vector<MetricInfo> metricInfos() {
    std::vector<MetricInfo> metrics{
        {"ms_per_token", "Time per token", "ms", -1,
         "Of one step, which gives each sequence of the batch a token; median of --repeat "
         "measurements, at least five. Head included, sampling not"},
        {"ms_per_token_min", "Time per token, shortest", "ms", 0, {}},
        {"ms_per_token_max", "Time per token, longest", "ms", 0, {}},
        {"tokens_per_s", "Tokens per second", "token/s", 1, "Of all sequences together"},
        {"bytes_per_token", "Bytes read per token", "byte", -1,
         "Of one step: weights as stored, and the caches of all sequences"},
        {"weight_bytes", "Weights read per token", "byte", 0, {}},
        {"cache_bytes", "Caches read per token", "byte", 0, {}}};
    append(metrics, trafficMetrics());
    append(
        metrics,
        {{"kernels_per_token", "Kernels per token", "", -1, "Of the graph of a step; GPU only"},
         {"graph_ms", "Time of the graph alone", "ms", -1,
          "Slope over graphs of 8 and 16 steps: without what the host does; GPU only"},
         {"products_ms", "Products of the blocks", "ms", 0,
          "What the graph is faster without them; so are those below. Parts that overlap count "
          "once "
          "or not at all"},
         {"attention_ms", "Attention", "ms", 0, {}},
         {"elementwise_ms", "Norms, SwiGLU, embedding", "ms", 0, {}},
         {"head_ms", "Head", "ms", 0, {}},
         {"model_bytes", "Memory of the model", "byte", -1, "As held, the embedding included"}});
    return metrics;
}

StudyInfo describeStudy() {
    return {
        .id = "bench.decode",
        .title = "Decoding step",
        .summary = "Times one token of a model with random weights and compares its traffic with "
                   "the copy bandwidth",
        .paper = "SqueezeLLM (arXiv 2306.07629), section 5.3",
        .params =
            {{.name = "shape",
              .kind = ParamKind::Choice,
              .defaultValue = "llama-7b",
              .help = "Sizes of the model",
              .choices = llamaShapeNames()},
             {.name = "bits",
              .kind = ParamKind::Integer,
              .defaultValue = 4,
              .help = "Bits of a code in the blocks, 1 to 8; 16: dense F16 without tables",
              .unit = "bit",
              .minimum = 1,
              .maximum = kDenseBits,
              .sweep = true},
             {.name = "batch",
              .kind = ParamKind::Integer,
              .defaultValue = 1,
              .help = "Sequences that get a token in one step",
              .minimum = 1,
              .maximum = static_cast<double>(kMostDecodeSlots),
              .sweep = true},
             {.name = "context",
              .kind = ParamKind::Integer,
              .defaultValue = 128,
              .help = "Positions that a token attends to, its own included",
              .unit = "token",
              .minimum = 1,
              .maximum = static_cast<double>(kShapePositions),
              .sweep = true},
             {.name = "sparsity",
              .kind = ParamKind::Real,
              .defaultValue = 0.0,
              .help = "Weights with a value in sparse rows",
              .unit = "%",
              .minimum = 0.0,
              .maximum = 50.0,
              .sweep = true},
             {.name = "tokens",
              .kind = ParamKind::Integer,
              .defaultValue = 32,
              .help = "Steps of one measurement",
              .unit = "token",
              .minimum = 1,
              .maximum = 1 << 16,
              .advanced = true}},
        .metrics = metricInfos()};
}

struct Problem {
    LlamaConfig config;
    RandomWeights weights;
    std::int64_t batch = 1, context = 1;
    int tokens = 1;
};

Problem problemFrom(const Spec& spec) {
    const Json& params = spec.params;
    Problem p{.config = llamaShape(textOf(params, "shape")), .weights = {}};
    p.weights = {
        .bits = params.at("bits").get<int>(),
        .sparsity = params.at("sparsity").get<double>() / 100.0,
        .seed = spec.seed};
    p.batch = params.at("batch").get<std::int64_t>();
    p.context = params.at("context").get<std::int64_t>();
    p.tokens = params.at("tokens").get<int>();
    const bool dense = p.weights.bits == kDenseBits;
    LATHE_CHECK(
        dense || p.weights.bits <= 8,
        "--bits must be 1 to 8, or 16 for dense F16, not " + std::to_string(p.weights.bits));
    LATHE_CHECK(
        !dense || p.weights.sparsity == 0.0, "--sparsity needs --bits 1 to 8, not dense weights");
    return p;
}

/// Bytes of the caches that one step reads.
std::int64_t cacheBytes(const Problem& p) {
    return 2 * p.batch * p.config.layers * p.context * p.config.kvHeads * p.config.headDim * 4;
}

/// @throws InputError with both sizes when model and caches do not fit.
void requireRoom(const Problem& p, ExecContext& exec) {
    const std::int64_t caches = cacheBytes(p);
    const std::int64_t needed = randomLlamaBytes(p.config, p.weights, exec) + caches;
    const std::int64_t free = deviceInfo(exec.device()).freeBytes;
    LATHE_CHECK(
        needed <= free,
        "model and caches take " + std::to_string(needed >> 20) + " MiB on " +
            exec.device().name() + ", " + std::to_string(caches >> 20) +
            " of them for caches, where " + std::to_string(free >> 20) +
            " MiB are free; choose another --shape, fewer --bits, or less --batch or --context");
}

/// A batch of sequences with random keys and values, and a token for each.
class Batch {
public:
    Batch(const Problem& p, const LlamaModel& model, ExecContext& exec) {
        Random random(p.weights.seed);
        const Shape shape{p.context, p.config.kvHeads, p.config.headDim};
        std::vector<float> numbers(static_cast<std::size_t>(shape.elementCount()));
        std::ranges::generate(numbers, [&] { return static_cast<float>(random.normal()); });
        Tensor filling = Tensor::empty(shape, DType::F32, exec.device());
        copy(exec, constViewOf(std::span<const float>(numbers), shape), filling.view());
        for (std::int64_t i = 0; i < p.batch; ++i) {
            DecoderState& state = *m_states.emplace_back(model.begin(exec, p.context));
            for (int layer = 0; layer < p.config.layers; ++layer) {
                copy(exec, filling.view(), state.cache().keys(layer));
                copy(exec, filling.view(), state.cache().values(layer));
            }
            state.cache().commit(p.context - 1);
            m_tokens.push_back(static_cast<TokenId>(
                random.below(static_cast<std::uint64_t>(p.config.vocabularySize))));
        }
        for (std::size_t i = 0; i < m_states.size(); ++i) {
            m_slots.push_back({*m_states[i], std::span(m_tokens).subspan(i, 1)});
        }
        exec.synchronize();
    }

    std::span<const DecodeSlot> slots() const { return m_slots; }

    /// A step at the last position of the context, again and again.
    ConstView step(const LlamaModel& model, ExecContext& exec) {
        const ConstView logits = model.forward(exec, m_slots);
        for (const auto& state : m_states) {
            state->truncate(state->length() - 1);
        }
        return logits;
    }

private:
    std::vector<std::unique_ptr<DecoderState>> m_states;
    std::vector<TokenId> m_tokens;
    std::vector<DecodeSlot> m_slots;
};

/// @throws InternalError: what is not finite is not timed.
void requireFinite(ExecContext& exec, ConstView logits) {
    std::vector<float> host(static_cast<std::size_t>(logits.elementCount()));
    copy(exec, logits, viewOf(std::span(host), logits.shape));
    if (!std::ranges::all_of(host, [](float logit) { return std::isfinite(logit); })) {
        throw InternalError("the step gave logits that are not finite");
    }
}

/// Milliseconds of one step, one value a repetition.
std::vector<double> timeSteps(
    const Spec& spec, StudyContext& context, const Problem& p, const LlamaModel& model,
    Batch& batch) {
    for (int i = 0; i < kWarmUpSteps; ++i) {
        requireFinite(context.exec, batch.step(model, context.exec));
    }
    std::vector<double> times;
    const int repeats = std::max(spec.repeat, kMinimumRepeats);
    for (int repeat = 0; repeat < repeats; ++repeat) {
        const auto start = Clock::now();
        for (int i = 0; i < p.tokens; ++i) {
            context.run.checkpoint();
            batch.step(model, context.exec);
        }
        context.exec.synchronize();
        times.push_back(secondsSince(start) * 1e3 / p.tokens);
    }
    return times;
}

/// What each part of a step costs, as the difference that leaving it out makes.
void putParts(Json& metrics, ExecContext& exec, const LlamaModel& model, Batch& batch) {
    for (const char* name :
         {"kernels_per_token", "graph_ms", "products_ms", "attention_ms", "elementwise_ms",
          "head_ms"}) {
        metrics[name] = nullptr;
    }
    if (!CapturedGraph::isAvailable(exec)) {
        return;
    }
    LlamaDecodeStep step(exec, model, batch.slots());
    step.load(exec, batch.slots());
    const auto milliseconds = [&](const DecodeParts& parts) {
        const Timing timing =
            timeKernel(exec, 1, kPartSteps, [&](int) { step.enqueue(exec, model, parts); });
        return timing.medianUs / 1e3;
    };
    const double all = milliseconds({});
    metrics["kernels_per_token"] =
        CapturedGraph::record(exec, [&] { step.enqueue(exec, model); })->kernels();
    metrics["graph_ms"] = all;
    metrics["products_ms"] = all - milliseconds({.products = false});
    metrics["attention_ms"] = all - milliseconds({.attention = false});
    metrics["elementwise_ms"] = all - milliseconds({.elementwise = false});
    metrics["head_ms"] = all - milliseconds({.head = false});
}

class BenchDecode : public Study {
public:
    const StudyInfo& info() const override { return m_info; }
    Json run(const Spec& spec, StudyContext& context) const override;
    bool loadsModels() const override { return false; }

private:
    StudyInfo m_info = describeStudy();
};

Json BenchDecode::run(const Spec& spec, StudyContext& context) const {
    const Problem p = problemFrom(spec);
    ExecContext& exec = context.exec;
    requireRoom(p, exec);
    context.run.progress(0.0, "measuring the copy bandwidth");
    const double copyRate =
        context.cache.get<double>("copy", [&] { return measureCopyBandwidth(exec); });
    const auto model = randomLlama(p.config, p.weights, exec, [&](int layer) {
        context.run.checkpoint();
        context.run.progress(0.2 + 0.5 * layer / p.config.layers, "making random weights");
    });
    Batch batch(p, *model, exec);
    context.run.progress(0.7, "timing steps");
    const std::vector<double> times = timeSteps(spec, context, p, *model, batch);
    const std::int64_t embedding = p.config.vocabularySize * p.config.hiddenSize * 2;
    const std::int64_t rows = p.batch * p.config.hiddenSize * 2; // those of the tokens
    const std::int64_t weights = model->weightBytes() - embedding + rows;
    const std::int64_t bytes = weights + cacheBytes(p);
    const double rate = static_cast<double>(bytes) / (median(times) * 1e-3);
    Json metrics{
        {"tokens_per_s", jsonNumber(1e3 * static_cast<double>(p.batch) / median(times))},
        {"bytes_per_token", bytes},
        {"weight_bytes", weights},
        {"cache_bytes", cacheBytes(p)},
        {"gb_per_s", jsonNumber(rate / 1e9)},
        {"copy_gb_per_s", jsonNumber(copyRate / 1e9)},
        {"share_of_copy", jsonNumber(rate / copyRate)},
        {"model_bytes", randomLlamaBytes(p.config, p.weights, exec)}};
    putTiming(metrics, "ms_per_token", times);
    context.run.progress(0.9, "timing the parts of a step");
    putParts(metrics, exec, *model, batch);
    return metrics;
}

} // namespace

std::unique_ptr<Study> makeBenchDecode() { return std::make_unique<BenchDecode>(); }

} // namespace lathe
