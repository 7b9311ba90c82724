// SPDX-License-Identifier: Apache-2.0
// What a LlamaModel holds: its modules, sharing, and their sizes.
#include "engine/core/check.h"
#include "engine/models/llama.h"
#include "engine/models/weight_loader.h"
#include "engine/nn/fused_rows.h"

#include <array>

namespace lathe {

namespace {

/// Calls visit(name, linear) for the matrices of a block, in order.
template <class Block, class Visit>
void visitModules(Block& block, std::size_t layer, Visit visit) {
    const std::string at = "model.layers." + std::to_string(layer) + ".";
    visit(at + "self_attn.q_proj", block.q);
    visit(at + "self_attn.k_proj", block.k);
    visit(at + "self_attn.v_proj", block.v);
    visit(at + "self_attn.o_proj", block.o);
    visit(at + "mlp.gate_proj", block.gate);
    visit(at + "mlp.up_proj", block.up);
    visit(at + "mlp.down_proj", block.down);
}

std::int64_t elements(const Linear& linear) {
    return outFeatures(linear.weight) * inFeatures(linear.weight) +
           (linear.bias ? linear.bias->shape().elementCount() : 0);
}

std::int64_t bytesOf(const Linear& linear) {
    return storedBytes(linear.weight) +
           (linear.bias ? static_cast<std::int64_t>(linear.bias->bytes()) : 0);
}

} // namespace

std::vector<LlamaModel::Module> LlamaModel::modules() {
    std::vector<Module> all;
    for (std::size_t layer = 0; layer < m_blocks.size(); ++layer) {
        visitModules(m_blocks[layer], layer, [&](std::string name, Linear& linear) {
            all.push_back({std::move(name), &linear});
        });
    }
    return all;
}

std::vector<std::pair<std::string, const Linear*>> LlamaModel::modules() const {
    std::vector<std::pair<std::string, const Linear*>> all;
    for (std::size_t layer = 0; layer < m_blocks.size(); ++layer) {
        visitModules(m_blocks[layer], layer, [&](std::string name, const Linear& linear) {
            all.emplace_back(std::move(name), &linear);
        });
    }
    return all;
}

void LlamaModel::fuseProducts(ExecContext& context) {
    for (LlamaBlock& block : m_blocks) {
        const std::array<Linear*, 3> qkv{&block.q, &block.k, &block.v};
        const std::array<Linear*, 2> gateUp{&block.gate, &block.up};
        fuseAgain(context, qkv, block.qkv);
        fuseAgain(context, gateUp, block.gateUp);
    }
}

std::unique_ptr<LlamaModel> LlamaModel::share() const {
    auto other = std::make_unique<LlamaModel>();
    other->m_config = m_config;
    other->m_device = m_device;
    other->m_tableRounding = m_tableRounding;
    other->m_embedding = m_embedding.share();
    other->m_finalNorm = m_finalNorm.share();
    other->m_frequencies = m_frequencies.share();
    if (m_head) {
        other->m_head = lathe::share(*m_head);
    }
    for (const LlamaBlock& block : m_blocks) {
        LlamaBlock copy;
        copy.inputNorm = block.inputNorm.share();
        copy.postAttentionNorm = block.postAttentionNorm.share();
        copy.q = lathe::share(block.q);
        copy.k = lathe::share(block.k);
        copy.v = lathe::share(block.v);
        copy.o = lathe::share(block.o);
        copy.gate = lathe::share(block.gate);
        copy.up = lathe::share(block.up);
        copy.down = lathe::share(block.down);
        copy.qkv = lathe::share(block.qkv);
        copy.gateUp = lathe::share(block.gateUp);
        other->m_blocks.push_back(std::move(copy));
    }
    return other;
}

std::unique_ptr<Decoder> LlamaModel::firstLayers(int count) const {
    checkFirstLayers(count);
    std::unique_ptr<LlamaModel> exit = share();
    exit->m_blocks.erase(exit->m_blocks.begin() + count, exit->m_blocks.end());
    exit->m_config.layers = count;
    return exit;
}

std::int64_t LlamaModel::weightBytes() const {
    std::size_t plain = m_embedding.bytes() + m_finalNorm.bytes();
    for (const LlamaBlock& block : m_blocks) {
        plain += block.inputNorm.bytes() + block.postAttentionNorm.bytes();
    }
    std::int64_t sum = static_cast<std::int64_t>(plain) + (m_head ? bytesOf(*m_head) : 0);
    for (const auto& [name, linear] : modules()) {
        sum += bytesOf(*linear);
    }
    return sum;
}

std::int64_t LlamaModel::parameterCount() const {
    std::int64_t sum = m_embedding.shape().elementCount() + m_finalNorm.shape().elementCount() +
                       (m_head ? elements(*m_head) : 0);
    for (const LlamaBlock& block : m_blocks) {
        sum +=
            block.inputNorm.shape().elementCount() + block.postAttentionNorm.shape().elementCount();
    }
    for (const auto& [name, linear] : modules()) {
        sum += elements(*linear);
    }
    return sum;
}

double LlamaModel::averageQuantizedBits() const {
    std::int64_t bytes = 0;
    std::int64_t count = 0;
    for (const auto& [name, linear] : modules()) {
        if (!std::holds_alternative<DenseWeight>(linear->weight)) {
            bytes += storedBytes(linear->weight);
            count += outFeatures(linear->weight) * inFeatures(linear->weight);
        }
    }
    return count == 0 ? 0.0 : 8.0 * static_cast<double>(bytes) / static_cast<double>(count);
}

std::int64_t estimateBytes(const Checkpoint& checkpoint, std::int64_t positions) {
    const LlamaConfig config = llamaConfigFrom(checkpoint);
    LATHE_CHECK(
        positions >= 0 && positions <= config.maxPositions,
        "a cache of " + std::to_string(positions) + " positions was asked for, the model has " +
            std::to_string(config.maxPositions));
    // Keys and values.
    return estimateBytes(checkpoint, {2, config.layers, positions, config.kvHeads, config.headDim});
}

} // namespace lathe
