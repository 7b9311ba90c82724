// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "engine/core/run_control.h"
#include "engine/core/run_service.h"
#include "engine/models/llama.h"
#include "engine/models/t5.h"

#include <filesystem>
#include <list>
#include <memory>
#include <string>
#include <vector>

namespace lathe {

/// A model ready to run, shared by runs; `checkpoint` stays mapped.
struct LoadedModel {
    std::string name; ///< as asked for
    std::string hash; ///< XXH3-128 of its files
    std::shared_ptr<const Checkpoint> checkpoint;
    std::shared_ptr<const LlamaModel> model;    ///< null: an encoder-decoder
    std::shared_ptr<const T5Model> translator;  ///< null: a model that continues text
    std::shared_ptr<const Tokenizer> tokenizer; ///< null: no vocabulary
    double loadSeconds = 0.0;

    /// @throws InputError when the model has no vocabulary.
    const Tokenizer& requireTokenizer() const;
    const Decoder& decoder() const;
    /// Null for a model that continues text.
    const Encoder* encoder() const { return translator.get(); }
    std::int64_t weightBytes() const;
};

/// Loads models once and keeps the last few (by bytes). Refuses one that does not fit in memory,
/// with the estimate and what is free.
class ModelCache {
public:
    /// A model that continues text. @throws InputError for an encoder-decoder.
    std::shared_ptr<const LoadedModel>
    load(const std::string& nameOrPath, ExecContext& context, RunControl& run);
    /// A model of any kind.
    std::shared_ptr<const LoadedModel>
    loadAny(const std::string& nameOrPath, ExecContext& context, RunControl& run);
    /// Refuses a model that would not fit even without those that are kept, before its files are
    /// read. @throws InputError with the estimate and what is free.
    void requireRoom(const std::string& nameOrPath, ExecContext& context) const;

private:
    struct Slot {
        std::string key;
        std::shared_ptr<const LoadedModel> model;
    };
    std::list<Slot> m_slots;
};

/// @throws InputError with both numbers when `needed` bytes are not free on the device.
void requireMemory(
    const std::string& name, std::int64_t needed, std::int64_t positions, Device device);

/// Memory to run `checkpoint`, of any family, with caches of `positions`.
std::int64_t runningBytes(const Checkpoint& checkpoint, std::int64_t positions);

/// Refuses a model whose block matrices are quantized, or that has none: what is measured against
/// it, or computed from its weights, would be against a quantized model. @throws InputError
void requireFloatWeights(const Checkpoint& checkpoint, const std::string& name);

/// $LATHE_RESOURCES, else <exe>/../share/lathe, else the source tree of a build tree.
std::filesystem::path resourcesFolder();
/// Path of a bundled name, or the path itself. @throws InputError listing the bundled names.
std::filesystem::path resolveModel(const std::string& nameOrPath);
/// Bundled models and what the Hugging Face cache on disk holds (config read, nothing loaded).
std::vector<ModelInfo> listModels();
/// What one folder or file is; `problem` says why it cannot be used.
ModelInfo describeModel(const std::filesystem::path& path);

} // namespace lathe
