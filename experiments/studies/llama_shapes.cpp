// SPDX-License-Identifier: Apache-2.0
#include "experiments/studies/llama_shapes.h"

#include "engine/core/check.h"

#include <algorithm>
#include <array>

namespace lathe {

namespace {

struct NamedShape {
    const char* name;
    std::int64_t hidden, inner, vocabulary;
    int layers, heads, kvHeads;
};
constexpr std::array kShapes{
    NamedShape{"llama-7b", 4096, 11008, 32000, 32, 32, 32},
    NamedShape{"llama-13b", 5120, 13824, 32000, 40, 40, 40},
    NamedShape{"tinyllama", 2048, 5632, 32000, 22, 32, 4},
    NamedShape{"tiny", 64, 160, 256, 2, 4, 2}};

} // namespace

std::vector<std::string> llamaShapeNames() {
    std::vector<std::string> names;
    names.reserve(std::size(kShapes));
    for (const NamedShape& shape : kShapes) {
        names.emplace_back(shape.name);
    }
    return names;
}

LlamaConfig llamaShape(const std::string& name) {
    const auto* shape = std::ranges::find(kShapes, name, &NamedShape::name);
    LATHE_CHECK(shape != kShapes.end(), "no model shape is called '" + name + "'");
    LlamaConfig config;
    config.architecture = "llama";
    config.hiddenSize = shape->hidden;
    config.intermediateSize = shape->inner;
    config.vocabularySize = shape->vocabulary;
    config.layers = shape->layers;
    config.heads = shape->heads;
    config.kvHeads = shape->kvHeads;
    config.headDim = shape->hidden / shape->heads;
    config.maxPositions = kShapePositions;
    config.dtype = "float16";
    return config;
}

} // namespace lathe
