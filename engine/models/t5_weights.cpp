// SPDX-License-Identifier: Apache-2.0
// What a T5Model holds: its modules, sharing, and their sizes.
#include "engine/models/t5.h"
#include "engine/nn/fused_rows.h"

#include <array>

namespace lathe {

namespace {

std::int64_t bytesOf(const Tensor& tensor) { return static_cast<std::int64_t>(tensor.bytes()); }

template <class Attention, class Visit>
void visitAttention(Attention& attention, const std::string& at, Visit visit) {
    visit(at + ".q", attention.q);
    visit(at + ".k", attention.k);
    visit(at + ".v", attention.v);
    visit(at + ".o", attention.o);
}

/// Calls visit(name, linear) for the matrices of a stack, in order.
template <class Stack, class Visit>
void visitModules(Stack& stack, const std::string& name, Visit visit) {
    for (std::size_t i = 0; i < stack.blocks.size(); ++i) {
        auto& block = stack.blocks[i];
        const std::string at = name + ".block." + std::to_string(i) + ".layer.";
        visitAttention(block.self, at + "0.SelfAttention", visit);
        if (block.source) {
            visitAttention(*block.source, at + "1.EncDecAttention", visit);
        }
        const std::string module = at + (block.source ? "2." : "1.") + "DenseReluDense.";
        visit(module + (block.up ? "wi_0" : "wi"), block.in);
        if (block.up) {
            visit(module + "wi_1", *block.up);
        }
        visit(module + "wo", block.out);
    }
}

T5Attention shared(const T5Attention& attention) {
    return {
        .norm = attention.norm.share(),
        .q = share(attention.q),
        .k = share(attention.k),
        .v = share(attention.v),
        .o = share(attention.o),
        .qkv = share(attention.qkv)};
}

T5Stack shared(const T5Stack& stack) {
    T5Stack copy{.blocks = {}, .finalNorm = stack.finalNorm.share(), .bias = stack.bias.share()};
    for (const T5Block& block : stack.blocks) {
        copy.blocks.push_back(
            {.self = shared(block.self),
             .source = block.source ? std::optional(shared(*block.source)) : std::nullopt,
             .feedForwardNorm = block.feedForwardNorm.share(),
             .in = share(block.in),
             .up = share(block.up),
             .gateUp = share(block.gateUp),
             .out = share(block.out)});
    }
    return copy;
}

/// Matrices and norms of the blocks, and the norm behind them.
std::int64_t stackBytes(const T5Stack& stack) {
    std::int64_t sum = bytesOf(stack.finalNorm);
    visitModules(stack, "", [&](const std::string&, const Linear& linear) {
        sum += storedBytes(linear.weight);
    });
    for (const T5Block& block : stack.blocks) {
        sum += bytesOf(block.self.norm) + bytesOf(block.feedForwardNorm) +
               (block.source ? bytesOf(block.source->norm) : 0);
    }
    return sum;
}

} // namespace

std::vector<T5Model::Module> T5Model::modules() {
    std::vector<Module> all;
    const auto add = [&all](std::string name, Linear& linear) {
        all.push_back({std::move(name), &linear});
    };
    visitModules(m_encoder, "encoder", add);
    visitModules(m_decoder, "decoder", add);
    for (T5Block& block : m_decoder.blocks) {
        block.self.qkv.reset();
        block.gateUp.reset();
    }
    return all;
}

std::vector<std::pair<std::string, const Linear*>> T5Model::modules() const {
    std::vector<std::pair<std::string, const Linear*>> all;
    const auto add = [&all](std::string name, const Linear& linear) {
        all.emplace_back(std::move(name), &linear);
    };
    visitModules(m_encoder, "encoder", add);
    visitModules(m_decoder, "decoder", add);
    return all;
}

/// The encoder never has one row.
void T5Model::fuseProducts(ExecContext& context) {
    for (T5Block& block : m_decoder.blocks) {
        const std::array<Linear*, 3> qkv{&block.self.q, &block.self.k, &block.self.v};
        fuseAgain(context, qkv, block.self.qkv);
        if (block.up) {
            const std::array<Linear*, 2> gateUp{&block.in, &*block.up};
            fuseAgain(context, gateUp, block.gateUp);
        }
    }
}

std::unique_ptr<T5Model> T5Model::share() const {
    auto other = std::make_unique<T5Model>();
    other->m_config = m_config;
    other->m_embedding = m_embedding.share();
    other->m_head = lathe::share(m_head);
    other->m_encoder = shared(m_encoder);
    other->m_decoder = shared(m_decoder);
    other->m_device = m_device;
    return other;
}

std::unique_ptr<Decoder> T5Model::firstLayers(int count) const {
    checkFirstLayers(count);
    std::unique_ptr<T5Model> exit = share();
    std::vector<T5Block>& blocks = exit->m_decoder.blocks;
    blocks.erase(blocks.begin() + count, blocks.end());
    exit->m_config.decoderLayers = count;
    return exit;
}

std::int64_t T5Model::stepBytes() const {
    std::int64_t sum =
        stackBytes(m_decoder) + (m_head ? storedBytes(m_head->weight) : bytesOf(m_embedding));
    for (const T5Block& block : m_decoder.blocks) {
        sum -= storedBytes(block.source->k.weight) + storedBytes(block.source->v.weight);
    }
    return sum;
}

std::int64_t T5Model::weightBytes() const {
    return stackBytes(m_encoder) + stackBytes(m_decoder) + bytesOf(m_embedding) +
           (m_head ? storedBytes(m_head->weight) : 0) + bytesOf(m_encoder.bias) +
           bytesOf(m_decoder.bias);
}

} // namespace lathe
