// SPDX-License-Identifier: Apache-2.0
#include "engine/core/cache_folder.h"

#include "engine/core/check.h"

#include <cstdlib>
#include <system_error>

namespace lathe {

std::filesystem::path cacheFolder() {
    const char* xdg = std::getenv("XDG_CACHE_HOME");
    const char* home = std::getenv("HOME");
    if (xdg != nullptr && *xdg != '\0') {
        return std::filesystem::path(xdg) / "lathe";
    }
    if (home != nullptr && *home != '\0') {
        return std::filesystem::path(home) / ".cache" / "lathe";
    }
    return {};
}

std::filesystem::path makeCacheFolder(const std::filesystem::path& name) {
    const std::filesystem::path cache = cacheFolder();
    LATHE_CHECK(
        !cache.empty(), "there is no folder for what is computed once; set XDG_CACHE_HOME or HOME");
    const std::filesystem::path folder = cache / name;
    std::error_code error;
    std::filesystem::create_directories(folder, error);
    LATHE_CHECK(!error, folder.string() + ": cannot be created (" + error.message() + ")");
    return folder;
}

} // namespace lathe
