// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "engine/base/random.h"
#include "engine/quant/kmeans1d.h"

#include <cstdint>
#include <span>
#include <vector>

namespace lathe {

struct LloydOptions {
    int iterations = 50;
    /// Of the row's plain variance: stops once the squared moves of the centroids sum to less.
    double tolerance = 1e-4;
};

/// Weighted 1-D k-means of one row as SqueezeLLM's code has it done by scikit-learn 1.3.1: greedy
/// k-means++, then Lloyd's iterations. Not optimal; here to be compared with Kmeans1d. Columns are
/// sorted first, so their order does not matter; a value halfway goes to the lower centroid. A row
/// whose weights are all zero counts every value alike.
/// @see SqueezeLLM (arXiv 2306.07629) section 4.1; Arthur and Vassilvitskii 2007 for the start.
class Lloyd1d {
public:
    /// @throws InputError as checkClusterable.
    Lloyd1d(std::span<const float> values, std::span<const float> weights);

    /// One start and its iterations. @throws InputError unless k >= 1.
    Clustering clustering(int k, Random& random, const LloydOptions& options = {}) const;
    /// The iterations from given centroids, at least one, in any order.
    Clustering refined(std::vector<double> centroids, const LloydOptions& options = {}) const;

private:
    using Borders = std::vector<std::size_t>; ///< cluster c is [borders[c], borders[c + 1])

    std::vector<double> start(int k, Random& random) const;
    double potentialWith(double centroid, std::span<const double> distance) const;
    std::size_t draw(std::span<const double> distance, double share) const;
    Borders assign(const std::vector<double>& ascending) const;
    std::vector<double>
    averaged(const std::vector<double>& ascending, const Borders& borders) const;
    std::vector<std::size_t>
    farthest(const std::vector<double>& ascending, const Borders& borders, std::size_t count) const;
    double cost(const std::vector<double>& ascending) const;

    std::vector<double> m_value, m_weight; ///< ascending by value
    double m_variance = 0.0;
};

/// The reference's own, which the quantizer `lloyd` draws its starts with on every machine.
inline constexpr std::uint64_t kLloydSeed = 0;

/// The numbers that row `row` draws: a stream of its own, whatever thread it runs on.
Random rowRandom(std::uint64_t seed, std::int64_t row);

/// (cost - optimum) / optimum; 0 where both are 0, infinite where only the optimum is.
double excessOver(double optimum, double cost);

/// Excess of one start of Lloyd1d over the optimum of Kmeans1d.
double excessError(
    std::span<const float> values, std::span<const float> weights, int k, std::uint64_t seed);

} // namespace lathe
