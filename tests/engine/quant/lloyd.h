// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <span>
#include <vector>

/// Other ways to cluster a row, slow or not optimal, to measure the exact one against.
namespace lathe::test {

/// Sum of weight * (value - nearest centroid)^2. An empty `weights` means all ones.
double assignmentCost(
    std::span<const float> values, std::span<const float> weights,
    std::span<const double> centroids);

/// Lloyd's iterations from the given centroids until the assignment stands still; values go to the
/// lower of two equally near centroids, empty clusters stay where they are.
std::vector<double>
lloyd(std::span<const float> values, std::span<const float> weights, std::vector<double> centroids);

/// The least cost of k clusters, over all partitions of the sorted values into contiguous ranges.
/// @param values ascending
double bruteForce(std::span<const float> values, std::span<const float> weights, int k);

} // namespace lathe::test
