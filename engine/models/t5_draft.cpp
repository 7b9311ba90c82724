// SPDX-License-Identifier: Apache-2.0
#include "engine/models/t5_draft.h"

#include "engine/models/t5.h"
#include "engine/models/t5_state.h"

#include <algorithm>

namespace lathe {

namespace {

DraftLoop::Activation activationOf(const T5Config& config) {
    switch (config.activation) {
    case T5Activation::Relu:
        return DraftLoop::Activation::Relu;
    case T5Activation::GatedGelu:
        return DraftLoop::Activation::GatedGelu;
    case T5Activation::GatedSilu:
        return DraftLoop::Activation::GatedSilu;
    }
    throw InternalError("an activation without a name");
}

/// Views of matrices, as long as they are what a DraftLoop takes.
class DenseViews {
public:
    explicit DenseViews(DType dtype) : m_dtype(dtype) {}
    ConstView of(const Linear& linear) {
        const auto* dense = std::get_if<DenseWeight>(&linear.weight);
        m_all = m_all && dense != nullptr && !linear.bias && dense->w.dtype() == m_dtype;
        return dense != nullptr ? dense->w.view() : ConstView{};
    }
    bool all() const { return m_all; }

private:
    DType m_dtype;
    bool m_all = true;
};

} // namespace

std::optional<DraftLoop> T5Draft::loopOf(const T5Model& model, T5Memory& memory) {
    const T5Stack& decoder = model.m_decoder;
    if (std::ssize(decoder.blocks) > DraftLoop::kMostLayers) {
        return std::nullopt;
    }
    DenseViews views(model.m_embedding.dtype());
    DraftLoop loop{
        .layers = {},
        .embedding = model.m_embedding.view(),
        .head = model.m_head ? views.of(*model.m_head) : model.m_embedding.view(),
        .finalNorm = decoder.finalNorm.view(),
        .bias = decoder.bias.view(),
        .biasOrigin = kT5Positions - 1,
        .epsilon = model.m_config.rmsEpsilon,
        .activation = activationOf(model.m_config)};
    for (int layer = 0; const T5Block& block : decoder.blocks) {
        if (!block.source) {
            throw InternalError("a block of the decoder does not read the source");
        }
        loop.layers.push_back(
            {.selfNorm = block.self.norm.view(),
             .sourceNorm = block.source->norm.view(),
             .innerNorm = block.feedForwardNorm.view(),
             .q = views.of(block.self.q),
             .k = views.of(block.self.k),
             .v = views.of(block.self.v),
             .o = views.of(block.self.o),
             .sourceQ = views.of(block.source->q),
             .sourceO = views.of(block.source->o),
             .in = views.of(block.in),
             .up = block.up ? views.of(*block.up) : ConstView{},
             .out = views.of(block.out),
             .keys = memory.cache.keys(layer),
             .values = memory.cache.values(layer),
             .sourceKeys = memory.source.keys(layer),
             .sourceValues = memory.source.values(layer)});
        ++layer;
    }
    return views.all() ? std::optional(std::move(loop)) : std::nullopt;
}

} // namespace lathe
