// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <filesystem>

namespace lathe {

/// Where what can be computed again is kept: $XDG_CACHE_HOME/lathe, else ~/.cache/lathe; empty when
/// neither XDG_CACHE_HOME nor HOME is set. It need not exist yet.
std::filesystem::path cacheFolder();

/// A folder in it, made when absent. @throws InputError when there is no cache folder or it cannot
/// be made.
std::filesystem::path makeCacheFolder(const std::filesystem::path& name);

} // namespace lathe
