// SPDX-License-Identifier: Apache-2.0
#include "experiments/studies/speculative_pair.h"

#include "engine/base/random.h"
#include "engine/core/check.h"
#include "engine/models/llama_random.h"
#include "engine/models/t5_random.h"
#include "experiments/studies/llama_shapes.h"

#include <algorithm>
#include <array>

namespace lathe {

namespace {

struct T5Shape {
    std::int64_t hidden, inner, heads, headDim;
    int layers;
};
struct T5Pair {
    const char* name;
    T5Shape big, little;
    std::int64_t vocabulary;
};
constexpr std::array kT5Pairs{
    T5Pair{"t5-large", {1024, 4096, 16, 64, 24}, {512, 2048, 8, 64, 6}, 32128},
    T5Pair{"translate", {256, 512, 4, 32, 4}, {128, 192, 4, 32, 1}, 2048},
    T5Pair{"t5-tiny", {64, 96, 2, 16, 2}, {32, 48, 2, 16, 1}, 100}};

struct LlamaPair {
    const char *name, *big, *little;
};
constexpr std::array kLlamaPairs{
    LlamaPair{"llama-7b", "llama-7b", "tinyllama"}, LlamaPair{"tiny", "tiny", "tiny"}};

RandomDecoder randomTranslator(
    const T5Shape& shape, std::int64_t vocabulary, std::int64_t sourceTokens, std::uint64_t seed,
    ExecContext& context) {
    auto model = randomT5(
        {{"model_type", "t5"},
         {"d_model", shape.hidden},
         {"d_ff", shape.inner},
         {"num_heads", shape.heads},
         {"d_kv", shape.headDim},
         {"num_layers", 1}, // nothing of the encoder is measured
         {"num_decoder_layers", shape.layers},
         {"vocab_size", vocabulary},
         {"feed_forward_proj", "relu"},
         {"tie_word_embeddings", true}},
        seed, context);
    std::vector<float> hidden(static_cast<std::size_t>(sourceTokens * shape.hidden));
    Random random(seed);
    std::ranges::generate(hidden, [&] { return static_cast<float>(random.normal()); });
    const Shape size{sourceTokens, shape.hidden};
    EncoderOutput encoded{Tensor::empty(size, DType::F32, context.device())};
    copy(context, constViewOf(std::span<const float>(hidden), size), encoded.hidden.view());
    const std::int64_t position = 2 * shape.layers * shape.heads * shape.headDim * 4;
    const std::int64_t bytes = model->stepBytes();
    return {
        .decoder = std::move(model),
        .encoded = std::move(encoded),
        .stepBytes = bytes,
        .positionBytes = position,
        .sourceBytes = position * sourceTokens};
}

RandomDecoder
randomContinuer(const char* shape, int bits, std::uint64_t seed, ExecContext& context) {
    const LlamaConfig config = llamaShape(shape);
    auto model = randomLlama(config, {.bits = bits, .seed = seed}, context);
    // Of the embedding one row is read.
    const std::int64_t bytes =
        model->weightBytes() - (config.vocabularySize - 1) * config.hiddenSize * 2;
    return {
        .decoder = std::move(model),
        .stepBytes = bytes,
        .positionBytes = 2 * std::int64_t{config.layers} * config.kvHeads * config.headDim * 4};
}

} // namespace

std::vector<std::string> speculativePairNames() {
    std::vector<std::string> names;
    for (const T5Pair& pair : kT5Pairs) {
        names.emplace_back(pair.name);
    }
    for (const LlamaPair& pair : kLlamaPairs) {
        names.emplace_back(pair.name);
    }
    return names;
}

SpeculativePair randomPair(
    const std::string& name, int bits, std::int64_t sourceTokens, std::uint64_t seed,
    ExecContext& context, const std::function<void(const std::string& what)>& onPart) {
    const auto* t5 = std::ranges::find(kT5Pairs, name, &T5Pair::name);
    const auto* llama = std::ranges::find(kLlamaPairs, name, &LlamaPair::name);
    const bool translates = t5 != kT5Pairs.end();
    LATHE_CHECK(
        translates || llama != kLlamaPairs.end(), "no pair of shapes is called '" + name + "'");
    LATHE_CHECK(
        !translates || bits == kDenseBits,
        "the shape " + name + " comes in F16 alone; leave --bits at 16");
    const auto make = [&](bool big) {
        onPart(big ? "making random weights of the big model" : "and of the little one");
        return translates
                   ? randomTranslator(
                         big ? t5->big : t5->little, t5->vocabulary, sourceTokens, seed, context)
                   : randomContinuer(big ? llama->big : llama->little, bits, seed, context);
    };
    SpeculativePair pair;
    pair.big = make(true);
    pair.little = make(false);
    return pair;
}

} // namespace lathe
