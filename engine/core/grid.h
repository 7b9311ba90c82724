// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "engine/core/spec.h"

#include <string>
#include <vector>

namespace lathe {

/// Every combination of the sweep's axes as params (fixed params merged in), first axis by name
/// slowest. One element when there is no sweep.
std::vector<Json> expandGrid(const Spec& spec);

/// Key of a cell: XXH3-128 in hex over the study, the cell's params, seed, device class, the model
/// files' hash and the build id. Equal keys mean equal results, so an interrupted sweep resumes.
std::string cellKey(
    const std::string& study, const Json& params, const Spec& spec, const std::string& modelHash,
    const std::string& buildId);

} // namespace lathe
