// SPDX-License-Identifier: Apache-2.0
#include "engine/models/t5_random.h"

#include "engine/base/random.h"
#include "engine/core/check.h"
#include "kernels/core/half.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <string>
#include <vector>

namespace lathe {

namespace {

/// Normal numbers that are used over and over: a prime, so that the rows of a matrix differ.
constexpr std::size_t kPoolSize = 65521;

/// What T5Model::load asks of a checkpoint; every tensor is made when it is asked for.
class RandomT5 : public Checkpoint {
public:
    RandomT5(const Json& config, std::uint64_t seed) : m_json(config), m_pool(kPoolSize) {
        Random random(seed);
        std::ranges::generate(m_pool, [&] { return random.normal(); });
        const T5Config t5 = t5ConfigFrom(config, false);
        const std::int64_t hidden = t5.hiddenSize;
        addMatrix("shared.weight", t5.vocabularySize, hidden);
        if (!t5.tiedHead) {
            addMatrix("lm_head.weight", t5.vocabularySize, hidden);
        }
        addStack("encoder", t5, t5.encoderLayers);
        addStack("decoder", t5, t5.decoderLayers);
    }

    const Json& config() const override { return m_json; }
    const std::map<std::string, Entry>& entries() const override { return m_entries; }
    Tensor tensor(const std::string& name) const override {
        const Entry& entry = m_entries.at(name);
        Tensor tensor = Tensor::empty(entry.shape, entry.dtype, Device{});
        const std::span<Half> elements = tensor.view().as<Half>();
        if (entry.shape.rank() == 1) {
            std::ranges::fill(elements, toHalf(1.0F));
            return tensor;
        }
        const double scale = 1.0 / std::sqrt(static_cast<double>(entry.shape[1]));
        std::vector<Half> pool(m_pool.size());
        std::ranges::transform(m_pool, pool.begin(), [scale](double normal) {
            return toHalf(static_cast<float>(scale * normal));
        });
        for (std::size_t from = 0; from < elements.size(); from += pool.size()) {
            const std::size_t count = std::min(pool.size(), elements.size() - from);
            std::ranges::copy(
                std::span(pool).first(count), elements.begin() + static_cast<std::ptrdiff_t>(from));
        }
        return tensor;
    }
    std::int64_t storedBytes(const std::string& name) const override {
        return m_entries.at(name).shape.elementCount() * 2;
    }
    std::string storedType(const std::string&) const override { return "F16"; }
    const std::map<std::string, std::string>& metadata() const override { return m_metadata; }
    std::shared_ptr<const Tokenizer> tokenizer() const override { return nullptr; }
    const std::filesystem::path& path() const override { return m_path; }
    std::int64_t fileBytes() const override { return 0; }
    std::string container() const override { return "memory"; }

private:
    void addMatrix(const std::string& name, std::int64_t out, std::int64_t in) {
        m_entries[name] = {DType::F16, {out, in}};
    }
    void addAttention(const std::string& at, const std::string& kind, const T5Config& t5) {
        const std::int64_t inner = t5.heads * t5.headDim;
        m_entries[at + "layer_norm.weight"] = {DType::F16, {t5.hiddenSize}};
        for (const char* name : {".q.weight", ".k.weight", ".v.weight"}) {
            addMatrix(at + kind + name, inner, t5.hiddenSize);
        }
        addMatrix(at + kind + ".o.weight", t5.hiddenSize, inner);
    }
    void addStack(const std::string& stack, const T5Config& t5, int layers) {
        const bool decodes = stack == "decoder", gated = t5.activation != T5Activation::Relu;
        for (int layer = 0; layer < layers; ++layer) {
            const std::string at = stack + ".block." + std::to_string(layer) + ".layer.";
            addAttention(at + "0.", "SelfAttention", t5);
            if (decodes) {
                addAttention(at + "1.", "EncDecAttention", t5);
            }
            const std::string last = at + (decodes ? "2." : "1.");
            const std::string module = last + "DenseReluDense.";
            m_entries[last + "layer_norm.weight"] = {DType::F16, {t5.hiddenSize}};
            addMatrix(
                module + (gated ? "wi_0" : "wi") + ".weight", t5.intermediateSize, t5.hiddenSize);
            if (gated) {
                addMatrix(module + "wi_1.weight", t5.intermediateSize, t5.hiddenSize);
            }
            addMatrix(module + "wo.weight", t5.hiddenSize, t5.intermediateSize);
        }
        m_entries[stack + ".final_layer_norm.weight"] = {DType::F16, {t5.hiddenSize}};
        addMatrix(
            stack + ".block.0.layer.0.SelfAttention.relative_attention_bias.weight", t5.buckets,
            t5.heads);
    }

    Json m_json;
    std::vector<double> m_pool;
    std::map<std::string, Entry> m_entries;
    std::map<std::string, std::string> m_metadata;
    std::filesystem::path m_path = "random weights";
};

} // namespace

std::unique_ptr<T5Model> randomT5(const Json& config, std::uint64_t seed, ExecContext& context) {
    return T5Model::load(RandomT5(config, seed), context);
}

} // namespace lathe
