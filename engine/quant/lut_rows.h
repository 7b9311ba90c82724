// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "engine/quant/kmeans1d.h"
#include "engine/quant/quantizer.h"

#include <cstdint>
#include <functional>
#include <span>

/// What quantizers with a table per output row share: all but the choice of the clusters.
namespace lathe {

/// Clusters one row, without the weights of its sparse part.
/// @param weights the sensitivities, or empty for all ones
using RowClustering = std::function<Clustering(
    std::int64_t row, std::span<const float> values, std::span<const float> weights)>;

/// Clusters every row of w into 2^bits centroids, rounds those to F16 and gives every weight the
/// nearest entry of the table that is stored. Weights of the sparse part do not take part in the
/// clustering; each has the code of the entry nearest to zero, and the difference to that entry as
/// its sparse value: F16, or F32 when one of the matrix exceeds F16.
/// @param w as checkQuantizable wants it
/// @throws InputError naming the row for a NaN, an Inf or a centroid beyond F16; Cancelled.
LutWeight quantizeRows(
    RunControl& run, ExecContext& context, ConstView w, const LayerStatistics& statistics,
    const QuantizeOptions& options, const RowClustering& cluster);

/// The same with the clusters of Kmeans1d::optimum, which a GPU finds for many rows at once: equal
/// bits. The rest is the work of the context's pool.
/// @throws as quantizeRows, but Cancelled before the next batch of rows; Unsupported for rows that
///         are longer than a GPU clusters; DeviceError when its memory does not suffice.
LutWeight quantizeRowsOnGpu(
    RunControl& run, ExecContext& cuda, ConstView w, const LayerStatistics& statistics,
    const QuantizeOptions& options);

} // namespace lathe
