// SPDX-License-Identifier: Apache-2.0
#include "engine/core/grid.h"

#include "engine/core/hash.h"

namespace lathe {

std::vector<Json> expandGrid(const Spec& spec) {
    std::vector<Json> cells{spec.params};
    for (const auto& [name, values] : spec.sweep.items()) {
        std::vector<Json> wider;
        wider.reserve(cells.size() * values.size());
        for (const Json& cell : cells) {
            for (const Json& value : values) {
                wider.push_back(cell);
                wider.back()[name] = value;
            }
        }
        cells = std::move(wider);
    }
    return cells;
}

std::string cellKey(
    const std::string& study, const Json& params, const Spec& spec, const std::string& modelHash,
    const std::string& buildId) {
    return hashText(dumpJson(Json{
        {"study", study},
        {"params", params},
        {"seed", spec.seed},
        {"device", spec.device},
        {"target", spec.target},
        {"repeat", spec.repeat},
        {"model", modelHash},
        {"build", buildId}}));
}

} // namespace lathe
