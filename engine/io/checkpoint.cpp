// SPDX-License-Identifier: Apache-2.0
#include "engine/io/checkpoint.h"

#include "engine/core/error.h"
#include "engine/io/gguf_checkpoint.h"
#include "engine/io/hf_checkpoint.h"
#include "engine/io/mapped_file.h"

namespace lathe {

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

} // namespace lathe
