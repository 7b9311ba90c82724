// SPDX-License-Identifier: Apache-2.0
#include "engine/models/gradient_memory.h"

#include "engine/core/error.h"

#include <algorithm>
#include <array>
#include <cstdio>
#include <string>

namespace lathe {

namespace {

std::string gibibytes(std::int64_t bytes) {
    std::array<char, 32> text{};
    std::snprintf(text.data(), text.size(), "%.2f GiB", static_cast<double>(bytes) / 0x1p30);
    return text.data();
}

} // namespace

std::int64_t hessianGroupsOf(std::int64_t out, int groups) {
    return std::min<std::int64_t>(out, groups);
}

std::int64_t blockHessianElements(const LlamaConfig& config, int groups) {
    const std::int64_t hidden = config.hiddenSize;
    const std::int64_t inner = config.intermediateSize;
    const std::int64_t queries = config.heads * config.headDim;
    const std::int64_t keys = config.kvHeads * config.headDim;
    const auto of = [groups](std::int64_t out, std::int64_t in) {
        return hessianGroupsOf(out, groups) * in * in;
    };
    return of(queries, hidden) + 2 * of(keys, hidden) + of(hidden, queries) +
           2 * of(inner, hidden) + of(hidden, inner);
}

GradientMemory gradientMemory(
    const LlamaConfig& config, Device device, std::int64_t samples, std::int64_t length,
    int hessianGroups) {
    const std::int64_t tokens = std::max<std::int64_t>(1, length - 1);
    const std::int64_t hidden = config.hiddenSize;
    const std::int64_t inner = config.intermediateSize;
    const std::int64_t queries = config.heads * config.headDim;
    const std::int64_t keys = config.kvHeads * config.headDim;
    const std::int64_t vocabulary = config.vocabularySize;
    const std::int64_t widest = std::max({hidden, inner, queries});
    const std::int64_t block = 2 * hidden * (queries + keys) + 3 * hidden * inner;
    // Held: the turned head, logits and cache of the pass forward, or a matrix and the statistics a
    // weight.
    const std::int64_t statistics =
        hessianGroups > 0 ? blockHessianElements(config, hessianGroups) : block;
    const std::int64_t held = std::max(
        hidden * vocabulary + tokens * (vocabulary + std::int64_t{2} * config.layers * keys),
        block + statistics);
    // In scratch: a sample's activations and their gradients, and what the products need: operands
    // turned, a tile of results, on a GPU a matrix widened.
    const std::int64_t forward = tokens * (vocabulary + 4 * hidden + 2 * queries + 2 * inner);
    const std::int64_t backward =
        tokens * (10 * hidden + 4 * queries + 4 * keys + 4 * inner + 2 * widest);
    const std::int64_t heads =
        device.isCuda() ? 2 * tokens * config.heads
                        : 2 * (tokens + 64) * (config.headDim + 4) * std::int64_t{config.kvHeads};
    const std::int64_t widened = device.isCuda() ? hidden * std::max(vocabulary, inner) : 0;
    const std::int64_t tile = (device.isCuda() ? 64 : 4) * (std::int64_t{1} << 18);
    // Scratch memory doubles as it grows.
    const std::int64_t scratch = 2 * (std::max(forward, backward) + heads + widened + tile);
    const auto bytes = static_cast<std::int64_t>(sizeof(float));
    return {
        .working = bytes * (held + scratch),
        .checkpoints = bytes * samples * tokens * hidden * (config.layers + 1)};
}

Device checkpointDevice(const GradientMemory& memory, Device device) {
    const std::int64_t free = deviceInfo(device).freeBytes;
    const std::int64_t hostFree = deviceInfo(Device{}).freeBytes;
    if (memory.working + memory.checkpoints <= free) {
        return device;
    }
    if (device.isCuda() && memory.working <= free && memory.checkpoints <= hostFree) {
        return Device{};
    }
    throw DeviceError(
        "the gradients need about " + gibibytes(memory.working) + " to work and " +
        gibibytes(memory.checkpoints) + " for activations; free are " + gibibytes(free) + " on " +
        device.name() + (device.isCuda() ? " and " + gibibytes(hostFree) + " on the host" : "") +
        "; take fewer or shorter samples");
}

} // namespace lathe
