// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "engine/core/error.h"
#include "engine/core/run_control.h"
#include "engine/io/mapped_file.h"

#include <filesystem>
#include <optional>
#include <type_traits>

/// Files of the cache folder that long computations leave block by block.
namespace lathe {

/// Of one block of a model, in the folder of the computation.
std::filesystem::path blockFile(const std::filesystem::path& folder, int block);

/// Says in a log line why, and takes the file away: it is computed again.
void discardDamaged(RunControl& run, const std::filesystem::path& path, const Error& error);

/// What `read` makes of a file; nothing when it is absent, or damaged and discarded.
template <class Read>
std::optional<std::invoke_result_t<Read>>
readSound(RunControl& run, const std::filesystem::path& path, const Read& read) {
    if (!pathExists(path)) {
        return {};
    }
    try {
        return read();
    } catch (const Error& error) {
        discardDamaged(run, path, error);
        return {};
    }
}

} // namespace lathe
