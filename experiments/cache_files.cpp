// SPDX-License-Identifier: Apache-2.0
#include "experiments/cache_files.h"

#include <cstdio>
#include <string>

namespace lathe {

std::filesystem::path blockFile(const std::filesystem::path& folder, int block) {
    char name[40];
    std::snprintf(name, sizeof name, "block-%04d.safetensors", block);
    return folder / name;
}

void discardDamaged(RunControl& run, const std::filesystem::path& path, const Error& error) {
    run.log(
        LogLevel::Warning, std::string("a damaged cache file is computed again: ") + error.what());
    std::error_code ignored;
    std::filesystem::remove(path, ignored);
}

} // namespace lathe
