// SPDX-License-Identifier: Apache-2.0
#include "experiments/model_cache.h"

#include "engine/core/check.h"
#include "engine/core/hash.h"
#include "experiments/elapsed.h"

#include <algorithm>
#include <cstdio>

namespace lathe {

namespace {

/// Weights kept beside the one in use; more than this is loaded again rather than held.
constexpr std::int64_t kKeptBytes = std::int64_t{2} << 30;
constexpr std::int64_t kCachePositions = 2048;

std::string gigabytes(std::int64_t bytes) {
    char text[32];
    std::snprintf(text, sizeof text, "%.2f GB", static_cast<double>(bytes) / 1e9);
    return text;
}

/// What reading changed is in the log of every run that uses the model.
void logRounding(const LoadedModel& model, RunControl& run) {
    const TableRounding rounding = model.model ? model.model->tableRounding() : TableRounding{};
    if (rounding.entries > 0) {
        run.log(
            LogLevel::Info, model.name + ": " + std::to_string(rounding.entries) +
                                " table entries were rounded to F16, by at most " +
                                dumpJson(Json(rounding.largest)) +
                                " of the largest entry of their row");
    }
}

std::int64_t positionsOf(const Checkpoint& checkpoint) {
    const std::int64_t most =
        isT5(checkpoint.config()) ? kT5Positions : llamaConfigFrom(checkpoint).maxPositions;
    return std::min(kCachePositions, most);
}

} // namespace

const Tokenizer& LoadedModel::requireTokenizer() const {
    if (tokenizer == nullptr) {
        throw InputError(
            name + " has no vocabulary (tokenizer.json, tokenizer.model, spiece.model or "
                   "vocab.json with merges.txt), and this study reads text");
    }
    return *tokenizer;
}

const Decoder& LoadedModel::decoder() const {
    return model ? static_cast<const Decoder&>(*model) : *translator;
}

std::int64_t LoadedModel::weightBytes() const {
    return model ? model->weightBytes() : translator->weightBytes();
}

std::int64_t runningBytes(const Checkpoint& checkpoint, std::int64_t positions) {
    return isT5(checkpoint.config()) ? estimateT5Bytes(checkpoint, positions)
                                     : estimateBytes(checkpoint, positions);
}

void requireMemory(
    const std::string& name, std::int64_t needed, std::int64_t positions, Device device) {
    const std::int64_t free = deviceInfo(device).freeBytes;
    if (needed > free) {
        throw InputError(
            name + " needs about " + gigabytes(needed) + " (weights and a cache of " +
            std::to_string(positions) + " positions), but " + gigabytes(free) + " are free on " +
            device.name() + "; choose a smaller model or close other programs");
    }
}

void ModelCache::requireRoom(const std::string& nameOrPath, ExecContext& context) const {
    const auto checkpoint = Checkpoint::open(resolveModel(nameOrPath));
    const std::int64_t positions = positionsOf(*checkpoint);
    std::int64_t kept = 0;
    for (const Slot& slot : m_slots) {
        kept += slot.model->weightBytes();
    }
    requireMemory(
        nameOrPath, runningBytes(*checkpoint, positions) - kept, positions, context.device());
}

std::shared_ptr<const LoadedModel>
ModelCache::load(const std::string& nameOrPath, ExecContext& context, RunControl& run) {
    auto loaded = loadAny(nameOrPath, context, run);
    LATHE_CHECK(
        loaded->model != nullptr,
        nameOrPath + " is an encoder-decoder (" + loaded->translator->config().architecture +
            "), and this study takes models that continue text; choose one of the LLaMA family");
    return loaded;
}

std::shared_ptr<const LoadedModel>
ModelCache::loadAny(const std::string& nameOrPath, ExecContext& context, RunControl& run) {
    const auto start = Clock::now();
    run.progress(0.0, "loading " + nameOrPath);
    const std::filesystem::path path = resolveModel(nameOrPath);
    const std::string hash = hashPath(path, [&run] { run.checkpoint(); });
    const std::string key = path.string() + "|" + context.device().name() + "|" + hash;
    const auto known = std::ranges::find(m_slots, key, &Slot::key);
    if (known != m_slots.end()) {
        m_slots.splice(m_slots.begin(), m_slots, known);
        logRounding(*m_slots.front().model, run);
        return m_slots.front().model;
    }

    auto loaded = std::make_shared<LoadedModel>();
    loaded->name = nameOrPath;
    loaded->hash = hash;
    loaded->checkpoint = Checkpoint::open(path);
    const std::int64_t needed = runningBytes(*loaded->checkpoint, positionsOf(*loaded->checkpoint));
    std::int64_t kept = needed;
    std::erase_if(m_slots, [&kept](const Slot& slot) {
        kept += slot.model->weightBytes();
        return kept > kKeptBytes;
    });
    if (needed > deviceInfo(context.device()).freeBytes) {
        m_slots.clear(); // what was kept for speed alone goes first
    }
    requireMemory(nameOrPath, needed, positionsOf(*loaded->checkpoint), context.device());
    if (isT5(loaded->checkpoint->config())) {
        loaded->translator = T5Model::load(*loaded->checkpoint, context);
    } else {
        loaded->model = LlamaModel::load(*loaded->checkpoint, context);
    }
    logRounding(*loaded, run);
    loaded->tokenizer = loaded->checkpoint->tokenizer();
    loaded->loadSeconds = secondsSince(start);
    run.checkpoint();
    m_slots.push_front({key, loaded});
    return loaded;
}

void requireFloatWeights(const Checkpoint& checkpoint, const std::string& name) {
    const std::string first = "model.layers.0.self_attn.q_proj.weight";
    LATHE_CHECK(
        checkpoint.contains(first),
        name + " has no float tensor " + first +
            ": it is quantized already or of another kind; choose the float model it came from");
    for (const auto& [tensor, entry] : checkpoint.entries()) {
        if (tensor.starts_with("model.layers.") && tensor.ends_with("_proj.weight")) {
            const std::string type = checkpoint.storedType(tensor);
            LATHE_CHECK(
                type == "F32" || type == "F16" || type == "BF16",
                name + " is quantized already: it stores " + tensor + " as " + type +
                    "; choose the float model it came from");
        }
    }
}

} // namespace lathe
