// SPDX-License-Identifier: Apache-2.0
#include "tests/engine/quant/row_costs.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>

namespace lathe::test {

namespace {

double weightOf(std::span<const float> weights, std::size_t i) {
    return weights.empty() ? 1.0 : static_cast<double>(weights[i]);
}

std::size_t nearest(double value, std::span<const double> centroids) {
    std::size_t best = 0;
    for (std::size_t c = 1; c < centroids.size(); ++c) {
        if (std::abs(value - centroids[c]) < std::abs(value - centroids[best])) {
            best = c;
        }
    }
    return best;
}

/// Cost of values [from, to) as one cluster, by two passes in extended precision, around the
/// heaviest value.
long double clusterCost(
    std::span<const float> values, std::span<const float> weights, std::size_t from,
    std::size_t to) {
    std::size_t heaviest = from;
    for (std::size_t i = from; i < to; ++i) {
        heaviest = weightOf(weights, i) > weightOf(weights, heaviest) ? i : heaviest;
    }
    const auto offset = [&](std::size_t i) {
        return static_cast<long double>(values[i]) - static_cast<long double>(values[heaviest]);
    };
    long double weight = 0.0L, sum = 0.0L;
    for (std::size_t i = from; i < to; ++i) {
        weight += weightOf(weights, i);
        sum += weightOf(weights, i) * offset(i);
    }
    const long double mean = weight > 0.0L ? sum / weight : 0.0L;
    long double cost = 0.0L;
    for (std::size_t i = from; i < to; ++i) {
        cost += weightOf(weights, i) * (offset(i) - mean) * (offset(i) - mean);
    }
    return cost;
}

} // namespace

double assignmentCost(
    std::span<const float> values, std::span<const float> weights,
    std::span<const double> centroids) {
    double cost = 0.0;
    for (std::size_t i = 0; i < values.size(); ++i) {
        const double distance = values[i] - centroids[nearest(values[i], centroids)];
        cost += weightOf(weights, i) * distance * distance;
    }
    return cost;
}

double bruteForce(std::span<const float> values, std::span<const float> weights, int k) {
    const std::size_t borders = values.size() - 1;
    long double least = std::numeric_limits<long double>::infinity();
    for (std::uint32_t mask = 0; mask < (1U << borders); ++mask) {
        if (std::popcount(mask) >= k) {
            continue;
        }
        long double cost = 0.0L;
        std::size_t from = 0;
        for (std::size_t i = 0; i <= borders; ++i) {
            if (i == borders || (mask >> i & 1U) != 0) {
                cost += clusterCost(values, weights, from, i + 1);
                from = i + 1;
            }
        }
        least = std::min(least, cost);
    }
    return static_cast<double>(least);
}

} // namespace lathe::test
