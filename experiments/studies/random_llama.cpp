// SPDX-License-Identifier: Apache-2.0
#include "experiments/studies/random_llama.h"

#include "engine/base/random.h"
#include "engine/core/check.h"
#include "kernels/core/half.h"

#include <algorithm>
#include <cmath>
#include <iterator>

namespace lathe {

namespace {

struct LlamaShape {
    const char* name;
    std::int64_t hidden, intermediate, vocabulary;
    int layers, heads, kvHeads;
};
constexpr LlamaShape kShapes[] = {
    {"llama-7b", 4096, 11008, 32000, 32, 32, 32},
    {"llama-13b", 5120, 13824, 32000, 40, 40, 40},
    {"tinyllama", 2048, 5632, 32000, 22, 32, 4},
    {"tiny", 64, 172, 320, 3, 4, 2}};
constexpr std::int64_t kPositions = 2048;
constexpr double kDeviation = 0.02;

const LlamaShape& shapeNamed(const std::string& name) {
    const auto* found = std::ranges::find(kShapes, name, &LlamaShape::name);
    LATHE_CHECK(found != std::end(kShapes), "no model shape is called '" + name + "'");
    return *found;
}

Json configOf(const LlamaShape& shape) {
    return {
        {"model_type", "llama"},
        {"hidden_size", shape.hidden},
        {"intermediate_size", shape.intermediate},
        {"vocab_size", shape.vocabulary},
        {"num_hidden_layers", shape.layers},
        {"num_attention_heads", shape.heads},
        {"num_key_value_heads", shape.kvHeads},
        {"max_position_embeddings", kPositions},
        {"tie_word_embeddings", false},
        {"torch_dtype", "bfloat16"}};
}

std::map<std::string, Checkpoint::Entry> entriesOf(const LlamaShape& shape) {
    std::map<std::string, Checkpoint::Entry> all;
    const auto add = [&all](const std::string& name, Shape size) {
        all[name + ".weight"] = {DType::BF16, size};
    };
    const std::int64_t hidden = shape.hidden, inner = shape.intermediate;
    const std::int64_t keys = hidden / shape.heads * shape.kvHeads;
    add("model.embed_tokens", {shape.vocabulary, hidden});
    add("lm_head", {shape.vocabulary, hidden});
    add("model.norm", {hidden});
    for (int layer = 0; layer < shape.layers; ++layer) {
        const std::string at = "model.layers." + std::to_string(layer) + ".";
        add(at + "input_layernorm", {hidden});
        add(at + "post_attention_layernorm", {hidden});
        add(at + "self_attn.q_proj", {hidden, hidden});
        add(at + "self_attn.k_proj", {keys, hidden});
        add(at + "self_attn.v_proj", {keys, hidden});
        add(at + "self_attn.o_proj", {hidden, hidden});
        add(at + "mlp.gate_proj", {inner, hidden});
        add(at + "mlp.up_proj", {inner, hidden});
        add(at + "mlp.down_proj", {hidden, inner});
    }
    return all;
}

/// The sum of four uniform numbers, which is close to normal and comes out of one draw.
BFloat16 aboutNormal(Random& random) {
    constexpr int kParts = 4;
    constexpr double kSteps = 65536.0;
    std::uint64_t bits = random.next();
    double sum = 0.0;
    for (int part = 0; part < kParts; ++part, bits >>= 16) {
        sum += static_cast<double>(bits & 0xffffU) / kSteps - 0.5;
    }
    return toBFloat16(static_cast<float>(kDeviation * sum / std::sqrt(kParts / 12.0)));
}

} // namespace

std::vector<std::string> randomLlamaShapes() {
    std::vector<std::string> names;
    std::ranges::transform(
        kShapes, std::back_inserter(names), [](const LlamaShape& shape) { return shape.name; });
    return names;
}

RandomLlama::RandomLlama(
    RunControl& run, ExecContext& cpu, const std::string& shape, std::uint64_t seed)
    : m_run(run), m_cpu(cpu), m_seed(seed), m_path("random weights shaped like " + shape),
      m_config(configOf(shapeNamed(shape))), m_entries(entriesOf(shapeNamed(shape))) {}

const Checkpoint::Entry& RandomLlama::entry(const std::string& name) const {
    const auto found = m_entries.find(name);
    if (found == m_entries.end()) {
        throw FormatError(m_path.string() + ": there is no tensor '" + name + "'");
    }
    return found->second;
}

Tensor RandomLlama::tensor(const std::string& name) const {
    m_run.checkpoint();
    const Entry& wanted = entry(name);
    Tensor result = Tensor::empty(wanted.shape, wanted.dtype, Device{});
    const std::span<BFloat16> values = result.view().as<BFloat16>();
    if (wanted.shape.rank() == 1) {
        std::ranges::fill(values, toBFloat16(1.0F));
        return result;
    }
    // A stream for each row, so that threads change nothing.
    const auto index = std::distance(m_entries.begin(), m_entries.find(name));
    const std::uint64_t own =
        Random(Random(m_seed).next() + static_cast<std::uint64_t>(index)).next();
    const auto width = static_cast<std::size_t>(wanted.shape[1]);
    m_cpu.pool().parallelFor(wanted.shape[0], 16, [&](std::int64_t from, std::int64_t to) {
        for (auto row = static_cast<std::size_t>(from); row < static_cast<std::size_t>(to); ++row) {
            Random random(own + row);
            std::ranges::generate(
                values.subspan(row * width, width), [&random] { return aboutNormal(random); });
        }
    });
    return result;
}

std::int64_t RandomLlama::storedBytes(const std::string& name) const {
    const Entry& wanted = entry(name);
    return wanted.shape.elementCount() * static_cast<std::int64_t>(sizeOf(wanted.dtype));
}

std::string RandomLlama::storedType(const std::string& name) const {
    return std::string(nameOf(entry(name).dtype));
}

} // namespace lathe
