// SPDX-License-Identifier: Apache-2.0
#include "engine/io/checkpoint.h"

#include "engine/core/error.h"
#include "engine/io/gguf_checkpoint.h"
#include "engine/io/hf_checkpoint.h"

namespace lathe {

std::unique_ptr<Checkpoint> Checkpoint::open(const std::filesystem::path& path) {
    std::error_code failed;
    const std::filesystem::file_status status = std::filesystem::status(path, failed);
    if (!std::filesystem::exists(status)) {
        throw InputError(path.string() + ": there is no such file or folder");
    }
    if (std::filesystem::is_directory(status)) {
        return std::make_unique<HfCheckpoint>(path);
    }
    if (path.extension() == ".gguf") {
        return std::make_unique<GgufCheckpoint>(path);
    }
    throw InputError(path.string() + ": is neither a model folder nor a .gguf file");
}

} // namespace lathe
