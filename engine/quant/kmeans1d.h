// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace lathe {

/// Optimal clustering of one row for one k.
struct Clustering {
    std::vector<double> centroids;  ///< ascending, exactly k (the last one repeated when fewer are needed)
    double cost = 0.0;              ///< sum of weight * (value - centroid)^2 before rounding
};

/// Exact weighted 1-D k-means of one row for every k = 1..maxClusters at once, by dynamic programming
/// over merged, sorted, centred values in double precision; lowest split on ties.
/// @see SqueezeLLM (arXiv 2306.07629) section 4.1 for the objective; Wu 1991 for the exact method.
class Kmeans1d {
public:
    /// @param values  finite; @param weights >= 0 and finite, or empty for all ones.
    /// @throws InputError naming the index of a value or weight that is not.
    Kmeans1d(std::span<const float> values, std::span<const float> weights, int maxClusters);

    Clustering clustering(int k) const;
    /// Optimal cost for k = 1..maxClusters.
    std::vector<double> errorCurve() const;

private:
    std::vector<double> m_value, m_s0, m_s1, m_s2;
    std::vector<double> m_plain, m_count;
    std::vector<std::vector<double>> m_cost;
    std::vector<std::uint32_t> m_split;
    double m_centre = 0.0;
    int m_max = 0;
};

/// Index of the nearest entry of an ascending table, lower index on ties.
int nearestIndex(std::span<const float> ascending, float value);

} // namespace lathe
