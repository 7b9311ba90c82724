// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "engine/core/param_spec.h"

namespace lathe {

/// Absolute, without ".." and a slash at its end: "folder/" names the same as "folder".
std::string fullPath(const std::string& path);

/// The value as a Spec has it: files and folders, also those in choices ("gguf:FILE"), by their
/// full path, so that a run is repeated from another folder, or by the other program; all else as
/// it is.
Json withFullPath(const ParamSpec& param, Json value);

} // namespace lathe
