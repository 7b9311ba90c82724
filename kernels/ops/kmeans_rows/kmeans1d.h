// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace lathe {

/// Optimal clustering of one row for one k.
struct Clustering {
    std::vector<double> centroids; ///< ascending, exactly k (the last repeated if fewer are needed)
    double cost = 0.0;             ///< sum of weight * (value - centroid)^2 before rounding
};

/// Exact weighted 1-D k-means of one row for every k = 1..maxClusters at once, by dynamic
/// programming over merged, sorted values in double precision; lowest split where costs are equal as computed. A row whose
/// weights are all zero counts every value alike; a cluster of zero weight has the plain mean as
/// centroid. Sums over ranges are differences of prefix sums; where their rounding could tell in
/// the result (see kTrusted), the row is solved again with sums of each range's own, in O(k * n^2)
/// at worst.
/// @note Memory: 4 bytes * min(k, distinct) * distinct values (11 MB for 256 clusters of 11008).
/// @see  SqueezeLLM (arXiv 2306.07629) section 4.1 for the objective; Wu 1991 for the exact method.
class Kmeans1d {
public:
    /// Share of the sum of squares around the weighted median below which a cost is doubted.
    static constexpr double kTrusted = 1e-6;

    /// @param values  finite, at least one; @param weights >= 0 and finite, or empty for all ones.
    /// @throws InputError naming the index of a value or weight that is not.
    Kmeans1d(std::span<const float> values, std::span<const float> weights, int maxClusters);

    /// @throws InputError unless 1 <= k <= maxClusters.
    Clustering clustering(int k) const;
    /// Optimal cost for k = 1..maxClusters.
    std::vector<double> errorCurve() const;

    /// The clustering for one k alone: what the constructor and clustering(k) give (where two are
    /// equally good, perhaps the other), in less time: no last layer but for its end, nothing at
    /// all when k reaches the number of distinct values, unless the costs for fewer are wanted too.
    /// @param curve when not null, becomes the optimal cost for 1..k clusters
    static Clustering optimum(
        std::span<const float> values, std::span<const float> weights, int k,
        std::vector<double>* curve = nullptr);

private:
    Kmeans1d(std::span<const float> values, std::span<const float> weights);

    struct Range;
    void mergeSorted(std::span<const float> values, std::span<const float> weights);
    void sumFromMedian();
    void findAlone();
    void solve(int layers, bool lastEndOnly);
    void solveCarefully();
    void scanCarefully(int layer, std::size_t end);
    bool isDoubtful() const;
    void solveRange(int layer, Range range);
    void solveOne(int layer, std::size_t end, std::size_t lowest, std::size_t highest);
    double rangeCost(std::size_t from, std::size_t end) const;
    struct Mean;
    Mean rangeMean(std::size_t from, std::size_t end) const;

    std::size_t count() const { return m_value.size(); }
    std::uint32_t& split(int layer, std::size_t end) {
        return m_split[static_cast<std::size_t>(layer) * count() + end];
    }

    std::vector<double> m_value;             ///< distinct, ascending
    std::vector<double> m_weight, m_repeats; ///< summed weight and number of equal values
    std::vector<double> m_s0, m_s1, m_s2; ///< sums of weight * value^n over [median, i), see .cpp
    std::vector<std::uint32_t> m_alone;   ///< [end]: from here to end at most one value has weight
    std::vector<double> m_previous, m_current;
    std::vector<std::uint32_t> m_split; ///< [layer][end]: where the last cluster of [0, end] begins
    std::vector<double> m_curve;        ///< optimal cost of k = 1, 2, ... layers solved
    std::size_t m_median = 0;
    double m_medianWeight = 0.0;
    int m_least = 1, m_max = 0; ///< clusters that may be asked for
};

/// @throws InputError for no values, another number of weights (none: all ones), or naming the
/// index of a value that is not finite or a weight that is negative or not finite.
void checkClusterable(std::span<const float> values, std::span<const float> weights);

} // namespace lathe
