// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "engine/core/json.h"
#include "widgets/base/plot_view.h"

#include <string>
#include <vector>

namespace lathe {

/// The sums of a run of quant.sensitivity ("modules": {"model.layers.0.mlp.down_proj": 12.5}) as a
/// map: layers to the right, kinds of modules in the model's order from the top.
struct SensitivityMap {
    PlotAxes axes;
    std::vector<PlotSeries> series; ///< empty when nothing of it is part of a layer
    std::vector<std::string> names; ///< the module of the tile with id i + 1
};

/// Modules outside the layers are left out, and so are values that are no number.
SensitivityMap sensitivityMap(const Json& modules);

} // namespace lathe
