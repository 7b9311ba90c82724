// SPDX-License-Identifier: Apache-2.0
#include "engine/quant/lloyd1d.h"

#include "engine/core/check.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

namespace lathe {

Lloyd1d::Lloyd1d(std::span<const float> values, std::span<const float> weights) {
    checkClusterable(values, weights);
    const bool allAlike = std::ranges::all_of(weights, [](float weight) { return weight == 0.0F; });
    std::vector<std::uint32_t> order(values.size());
    std::iota(order.begin(), order.end(), 0U);
    const auto weightOf = [&](std::uint32_t i) { return allAlike ? 1.0F : weights[i]; };
    // Weights break ties, so that equal values stand in one order whatever their columns are.
    std::ranges::sort(order, [&](std::uint32_t a, std::uint32_t b) {
        return values[a] < values[b] || (values[a] == values[b] && weightOf(a) < weightOf(b));
    });
    for (const std::uint32_t i : order) {
        m_value.push_back(static_cast<double>(values[i]));
        m_weight.push_back(static_cast<double>(weightOf(i)));
    }
    const auto count = static_cast<double>(m_value.size());
    const double mean = std::accumulate(m_value.begin(), m_value.end(), 0.0) / count;
    for (const double value : m_value) {
        m_variance += (value - mean) * (value - mean) / count;
    }
}

Clustering Lloyd1d::clustering(int k, Random& random, const LloydOptions& options) const {
    LATHE_CHECK(k >= 1, "k-means: at least one cluster is needed");
    return refined(start(k, random), options);
}

/// Greedy k-means++: of 2 + floor(ln k) values drawn by weight * squared distance to the nearest
/// centroid so far, the one that lowers the sum of those most becomes the next centroid.
std::vector<double> Lloyd1d::start(int k, Random& random) const {
    const int trials = 2 + static_cast<int>(std::log(static_cast<double>(k)));
    std::vector<double> distance(m_value.size(), 1.0);
    std::vector<double> centroids{m_value[draw(distance, random.uniform())]};
    std::ranges::fill(distance, std::numeric_limits<double>::infinity());
    for (;;) {
        for (std::size_t i = 0; i < m_value.size(); ++i) {
            const double offset = m_value[i] - centroids.back();
            distance[i] = std::min(distance[i], offset * offset);
        }
        if (centroids.size() == static_cast<std::size_t>(k)) {
            return centroids;
        }
        double best = 0.0, least = std::numeric_limits<double>::infinity();
        for (int trial = 0; trial < trials; ++trial) {
            const double candidate = m_value[draw(distance, random.uniform())];
            const double potential = potentialWith(candidate, distance);
            if (trial == 0 || potential < least) {
                least = potential;
                best = candidate;
            }
        }
        centroids.push_back(best);
    }
}

/// Sum of weight * squared distance once there is this centroid too.
double Lloyd1d::potentialWith(double centroid, std::span<const double> distance) const {
    double sum = 0.0;
    for (std::size_t i = 0; i < m_value.size(); ++i) {
        const double offset = m_value[i] - centroid;
        sum += m_weight[i] * std::min(distance[i], offset * offset);
    }
    return sum;
}

/// The value at `share` of the sum of weight * distance; the last one that counts when rounding
/// leads past the end, the first one when nothing counts.
std::size_t Lloyd1d::draw(std::span<const double> distance, double share) const {
    double total = 0.0;
    for (std::size_t i = 0; i < m_value.size(); ++i) {
        total += m_weight[i] * distance[i];
    }
    double below = 0.0;
    std::size_t drawn = 0;
    for (std::size_t i = 0; i < m_value.size() && below <= share * total; ++i) {
        const double own = m_weight[i] * distance[i];
        below += own;
        drawn = own > 0.0 ? i : drawn;
    }
    return drawn;
}

Clustering Lloyd1d::refined(std::vector<double> centroids, const LloydOptions& options) const {
    LATHE_CHECK(!centroids.empty(), "k-means: at least one cluster is needed");
    std::ranges::sort(centroids);
    Borders before;
    for (int iteration = 0; iteration < options.iterations; ++iteration) {
        const Borders borders = assign(centroids);
        std::vector<double> moved = averaged(centroids, borders);
        double shift = 0.0;
        for (std::size_t c = 0; c < moved.size(); ++c) {
            shift += (moved[c] - centroids[c]) * (moved[c] - centroids[c]);
        }
        std::ranges::sort(moved);
        centroids = std::move(moved);
        if (borders == before || shift <= options.tolerance * m_variance) {
            break;
        }
        before = borders;
    }
    const double found = cost(centroids);
    return {.centroids = std::move(centroids), .cost = found};
}

/// Nearest centroids, the lower one on ties, so that of equal ones the others stay empty.
Lloyd1d::Borders Lloyd1d::assign(const std::vector<double>& ascending) const {
    Borders borders(ascending.size() + 1, m_value.size());
    std::size_t cluster = 0;
    const auto above = [&ascending](std::size_t c) {
        return std::upper_bound(
                   ascending.begin() + static_cast<std::ptrdiff_t>(c), ascending.end(),
                   ascending[c]) -
               ascending.begin();
    };
    auto next = static_cast<std::size_t>(above(0));
    borders[0] = 0;
    for (std::size_t i = 0; i < m_value.size(); ++i) {
        while (next < ascending.size() &&
               ascending[next] - m_value[i] < m_value[i] - ascending[cluster]) {
            std::fill(
                borders.begin() + static_cast<std::ptrdiff_t>(cluster) + 1,
                borders.begin() + static_cast<std::ptrdiff_t>(next) + 1, i);
            cluster = next;
            next = static_cast<std::size_t>(above(cluster));
        }
    }
    return borders;
}

/// The weighted means. A cluster without weight moves to a value farthest from its centroid, which
/// that one loses; one that has no weight even so goes to the heaviest cluster.
std::vector<double>
Lloyd1d::averaged(const std::vector<double>& ascending, const Borders& borders) const {
    const std::size_t k = ascending.size();
    std::vector<double> weight(k, 0.0);
    for (std::size_t c = 0; c < k; ++c) {
        for (std::size_t i = borders[c]; i < borders[c + 1]; ++i) {
            weight[c] += m_weight[i];
        }
    }
    std::vector<std::size_t> empty;
    for (std::size_t c = 0; c < k; ++c) {
        if (weight[c] == 0.0) {
            empty.push_back(c);
        }
    }
    const std::vector<std::size_t> taken = farthest(ascending, borders, empty.size());
    std::vector<double> means(ascending);
    for (std::size_t c = 0; c < k; ++c) {
        // Offsets keep the digits of a narrow cluster far from zero.
        double total = 0.0;
        weight[c] = 0.0;
        for (std::size_t i = borders[c]; i < borders[c + 1]; ++i) {
            if (!taken.empty() && std::ranges::find(taken, i) != taken.end()) {
                continue;
            }
            weight[c] += m_weight[i];
            total += m_weight[i] * (m_value[i] - ascending[c]);
        }
        means[c] += weight[c] > 0.0 ? total / weight[c] : 0.0;
    }
    for (std::size_t e = 0; e < taken.size(); ++e) {
        weight[empty[e]] = m_weight[taken[e]];
        means[empty[e]] = m_value[taken[e]];
    }
    const auto heaviest =
        static_cast<std::size_t>(std::ranges::max_element(weight) - weight.begin());
    for (std::size_t c = 0; c < k; ++c) {
        means[c] = weight[c] > 0.0 ? means[c] : means[heaviest];
    }
    return means;
}

/// The `count` values farthest from their centroids, farthest first, lowest on ties; none when all
/// values are centroids.
std::vector<std::size_t> Lloyd1d::farthest(
    const std::vector<double>& ascending, const Borders& borders, std::size_t count) const {
    if (count == 0) {
        return {};
    }
    std::vector<double> distance;
    for (std::size_t c = 0; c < ascending.size(); ++c) {
        for (std::size_t i = borders[c]; i < borders[c + 1]; ++i) {
            distance.push_back(std::abs(m_value[i] - ascending[c]));
        }
    }
    std::vector<std::size_t> order(distance.size());
    std::iota(order.begin(), order.end(), std::size_t{0});
    count = std::min(count, order.size());
    std::ranges::partial_sort(
        order, order.begin() + static_cast<std::ptrdiff_t>(count),
        [&distance](std::size_t a, std::size_t b) {
            return distance[a] > distance[b] || (distance[a] == distance[b] && a < b);
        });
    order.resize(distance[order[0]] == 0.0 ? 0 : count);
    return order;
}

double Lloyd1d::cost(const std::vector<double>& ascending) const {
    const Borders borders = assign(ascending);
    double sum = 0.0;
    for (std::size_t c = 0; c < ascending.size(); ++c) {
        for (std::size_t i = borders[c]; i < borders[c + 1]; ++i) {
            const double distance = m_value[i] - ascending[c];
            sum += m_weight[i] * distance * distance;
        }
    }
    return sum;
}

Random rowRandom(std::uint64_t seed, std::int64_t row) {
    return Random(Random(seed).next() + static_cast<std::uint64_t>(row));
}

double excessOver(double optimum, double cost) {
    return cost == optimum ? 0.0 : (cost - optimum) / optimum;
}

double excessError(
    std::span<const float> values, std::span<const float> weights, int k, std::uint64_t seed) {
    Random random = rowRandom(seed, 0);
    return excessOver(
        Kmeans1d::optimum(values, weights, k).cost,
        Lloyd1d(values, weights).clustering(k, random).cost);
}

} // namespace lathe
