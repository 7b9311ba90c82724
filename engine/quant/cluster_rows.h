// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "kernels/ops/kmeans_rows/kmeans_rows.h"

#include <cstdint>
#include <string>

/// KmeansRows for matrices on the host, on whatever device the context is of.
namespace lathe {

/// Rows of `width` values that a GPU takes at once: enough to keep it busy, few enough to stop soon
/// and to take no more than a part of the memory that is free.
/// @param name of the matrix, for the message
/// @throws Unsupported for rows that are longer than it clusters.
std::int64_t rowsPerLaunch(ExecContext& cuda, std::int64_t width, const std::string& name);

/// Runs the op on views of the host wherever the context is. Complete when it returns.
/// @throws DeviceError when the device's memory does not suffice.
void clusterOn(ExecContext& context, const KmeansRows& host);

} // namespace lathe
