// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "kernels/core/tensor.h"

#include <filesystem>
#include <memory>
#include <string>

namespace lathe {

/// Is there something at this path? @throws InputError where that cannot be found out.
bool pathExists(const std::filesystem::path& path);

/// Maps a whole regular file read-only. @throws InputError with the path and the reason.
std::shared_ptr<Storage> mapFile(const std::filesystem::path& path);

/// Reads a text file of at most `limit` bytes. @throws InputError, also when it is larger.
std::string readTextFile(const std::filesystem::path& path, std::size_t limit);

} // namespace lathe
