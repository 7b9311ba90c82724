// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "kernels/ops/kmeans_rows/kmeans1d.h"

#include <span>

/// The clustering of one row, which is that of the op KmeansRows, and what quantizers do with it.
namespace lathe {

/// Index of the nearest entry of an ascending table, lower index on ties.
int nearestIndex(std::span<const float> ascending, float value);
/// The same among centroids that are not rounded.
int nearestCentroid(std::span<const double> ascending, float value);

} // namespace lathe
