// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <filesystem>

namespace lathe {

/// Where what can be computed again is kept: $XDG_CACHE_HOME/lathe, else ~/.cache/lathe; empty when
/// neither XDG_CACHE_HOME nor HOME is set. It need not exist yet.
std::filesystem::path cacheFolder();

} // namespace lathe
