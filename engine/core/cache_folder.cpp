// SPDX-License-Identifier: Apache-2.0
#include "engine/core/cache_folder.h"

#include <cstdlib>

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

} // namespace lathe
