// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <span>
#include <vector>

/// Costs of clusterings by plain sums and by trying all, to measure the fast ways against.
namespace lathe::test {

/// Sum of weight * (value - nearest centroid)^2. An empty `weights` means all ones.
double assignmentCost(
    std::span<const float> values, std::span<const float> weights,
    std::span<const double> centroids);

/// The least cost of k clusters, over all partitions of the sorted values into contiguous ranges.
/// @param values ascending
double bruteForce(std::span<const float> values, std::span<const float> weights, int k);

} // namespace lathe::test
