// SPDX-License-Identifier: Apache-2.0
#include "engine/io/checkpoint.h"

#include "engine/core/error.h"
#include "engine/io/gguf_checkpoint.h"
#include "engine/io/hf_checkpoint.h"
#include "engine/io/mapped_file.h"

#include <string_view>

namespace lathe {

namespace {

/// "model.layers.3.self_attn.q_proj.weight", or any other part of such a module.
bool isOfBlockMatrix(std::string_view name) {
    const std::size_t dot = name.rfind('.');
    return dot != std::string_view::npos && name.starts_with("model.layers.") &&
           name.substr(0, dot).ends_with("_proj") && name.substr(dot) != ".bias";
}

} // namespace

std::unique_ptr<Checkpoint> Checkpoint::open(const std::filesystem::path& path) {
    if (!pathExists(path)) {
        throw InputError(path.string() + ": there is no such file or folder");
    }
    std::error_code failed;
    if (std::filesystem::is_directory(path, failed)) {
        return std::make_unique<HfCheckpoint>(path);
    }
    if (path.extension() == ".gguf") {
        return std::make_unique<GgufCheckpoint>(path);
    }
    throw InputError(path.string() + ": is neither a model folder nor a .gguf file");
}

std::int64_t storedBlockMatrixBytes(const Checkpoint& checkpoint) {
    std::int64_t bytes = 0;
    for (const auto& [name, entry] : checkpoint.entries()) {
        bytes += isOfBlockMatrix(name) ? checkpoint.storedBytes(name) : 0;
    }
    return bytes;
}

} // namespace lathe
