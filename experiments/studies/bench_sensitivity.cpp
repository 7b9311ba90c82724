// SPDX-License-Identifier: Apache-2.0
#include "engine/base/random.h"
#include "engine/models/gradient_memory.h"
#include "engine/models/gradient_statistics.h"
#include "engine/models/llama_random.h"
#include "engine/models/weight_loader.h"
#include "experiments/elapsed.h"
#include "experiments/metrics.h"
#include "experiments/studies/factories.h"
#include "experiments/studies/llama_shapes.h"
#include "experiments/studies/params.h"

#include <algorithm>
#include <limits>

namespace lathe {

namespace {

StudyInfo describeStudy() {
    return {
        .id = "bench.sensitivity",
        .title = "Sensitivities of random weights",
        .summary = "Times the mean squared gradients of a model of a published size with random "
                   "weights, and measures the memory that they take",
        .paper = "SqueezeLLM (arXiv 2306.07629), section 3.2",
        .params =
            {{.name = "shape",
              .kind = ParamKind::Choice,
              .defaultValue = "tinyllama",
              .help = "Whose sizes the model has; tinyllama has 1.1 billion weights",
              .choices = llamaShapeNames(),
              .sweep = true},
             {.name = "samples",
              .kind = ParamKind::Integer,
              .defaultValue = 10,
              .help = "Samples whose squared gradients are averaged",
              .minimum = 1,
              .maximum = 1 << 16,
              .sweep = true},
             {.name = "length",
              .kind = ParamKind::Integer,
              .defaultValue = 512,
              .help = "Length of a sample of random tokens",
              .unit = "token",
              .minimum = 2,
              .maximum = 2048,
              .sweep = true}},
        .metrics = {
            {"seconds", "Time", "s", -1,
             "Median of --repeat measurements, after a warm-up; without making the model"},
            {"seconds_min", "Shortest time", "s", 0, {}},
            {"seconds_max", "Longest time", "s", 0, {}},
            {"tokens_per_s", "Predicted tokens per second", "1/s", 1, {}},
            {"peak_bytes", "Most memory held", "byte", -1,
             "On a GPU: how much less was free than before the model was made, at the worst moment "
             "looked at (before every sample of every block), model included"},
            {"estimate_bytes", "Estimated memory", "byte", 0,
             "What is taken to be needed before it is tried: the weights and what "
             "computeSensitivities asks for"},
            {"weight_bytes", "Weights", "byte", 0, {}},
            {"parameters", "Parameters", "", 0, {}},
            {"loss", "Loss", "nat", 0,
             "Mean over the predicted tokens; near the logarithm of the vocabulary's size and a "
             "half"}}};
}

/// The least memory that was ever free on a GPU; does nothing on a CPU, whose memory is not ours.
class MemoryGauge {
public:
    explicit MemoryGauge(Device device) : m_device(device) {
        look();
        m_before = m_least;
    }
    void look() {
        if (m_device.isCuda()) {
            m_least = std::min(m_least, deviceInfo(m_device).freeBytes);
        }
    }
    std::int64_t held() const { return m_before - m_least; }

private:
    Device m_device;
    std::int64_t m_least = std::numeric_limits<std::int64_t>::max();
    std::int64_t m_before = 0;
};

std::vector<std::vector<TokenId>>
randomSamples(std::int64_t vocabulary, const Json& params, std::uint64_t seed) {
    Random random(seed);
    std::vector<std::vector<TokenId>> samples(params.at("samples").get<std::size_t>());
    for (std::vector<TokenId>& sample : samples) {
        sample.resize(params.at("length").get<std::size_t>());
        std::ranges::generate(sample, [&] {
            return static_cast<TokenId>(random.below(static_cast<std::uint64_t>(vocabulary)));
        });
    }
    return samples;
}

class BenchSensitivity : public Study {
public:
    const StudyInfo& info() const override { return m_info; }
    bool loadsModels() const override { return false; }
    Json run(const Spec& spec, StudyContext& context) const override;

private:
    StudyInfo m_info = describeStudy();
};

Json BenchSensitivity::run(const Spec& spec, StudyContext& context) const {
    const Json& params = spec.params;
    context.run.progress(0.0, "making the model");
    MemoryGauge gauge(context.exec.device());
    const LlamaConfig config = llamaShape(textOf(params, "shape"));
    const RandomWeights weights{.bits = kDenseBits, .seed = spec.seed};
    requireMemory(
        "a random model", randomLlamaBytes(config, weights, context.exec),
        deviceInfo(context.exec.device()));
    const auto model =
        randomLlama(config, weights, context.exec, [&](int) { context.run.checkpoint(); });
    GradientRequest request{.samples = randomSamples(model->vocabularySize(), params, spec.seed)};
    const auto onBlock = [&](const BlockStatistics&) { gauge.look(); };
    const int repeats = std::max(spec.repeat, 1);
    int turn = 0; // 0: the warm-up
    request.onProgress = [&](double share, const std::string& what) {
        gauge.look();
        context.run.progress((turn + share) / (repeats + 1), what);
    };
    // Handles, scratch memory and kernels are there after one sample through the last block.
    const GradientRequest warmUp{
        .samples = {request.samples.front()},
        .wanted = [&](int block) { return block + 1 == model->config().layers; },
        .onProgress = request.onProgress};
    computeSensitivities(context.run, context.exec, *model, warmUp, onBlock);
    double loss = 0.0;
    std::vector<double> seconds;
    for (turn = 1; turn <= repeats; ++turn) {
        const auto start = Clock::now();
        loss = computeSensitivities(context.run, context.exec, *model, request, onBlock);
        seconds.push_back(secondsSince(start));
    }
    const auto samples = params.at("samples").get<std::int64_t>();
    const auto length = params.at("length").get<std::int64_t>();
    const GradientMemory memory =
        gradientMemory(model->config(), context.exec.device(), samples, length);
    Json metrics{
        {"tokens_per_s", jsonNumber(static_cast<double>(samples * (length - 1)) / median(seconds))},
        {"estimate_bytes", model->weightBytes() + memory.working + memory.checkpoints},
        {"weight_bytes", model->weightBytes()},
        {"parameters", model->parameterCount()},
        {"loss", jsonNumber(loss)}};
    putTiming(metrics, "seconds", seconds);
    if (context.exec.device().isCuda()) {
        metrics["peak_bytes"] = gauge.held();
    }
    return metrics;
}

} // namespace

std::unique_ptr<Study> makeBenchSensitivity() { return std::make_unique<BenchSensitivity>(); }

} // namespace lathe
