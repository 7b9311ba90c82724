// SPDX-License-Identifier: Apache-2.0
#include "kernels/ops/kmeans_rows/kmeans1d.h"

#include "engine/core/check.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <string>

namespace lathe {

void checkClusterable(std::span<const float> values, std::span<const float> weights) {
    LATHE_CHECK(!values.empty(), "k-means: the row is empty");
    LATHE_CHECK(
        weights.empty() || weights.size() == values.size(),
        "k-means: " + std::to_string(weights.size()) + " weights for " +
            std::to_string(values.size()) + " values");
    for (std::size_t i = 0; i < values.size(); ++i) {
        LATHE_CHECK(
            std::isfinite(values[i]), "k-means: value " + std::to_string(i) + " is not finite");
    }
    for (std::size_t i = 0; i < weights.size(); ++i) {
        LATHE_CHECK(
            std::isfinite(weights[i]) && weights[i] >= 0.0F,
            "k-means: weight " + std::to_string(i) + " is negative or not finite");
    }
}

/// Ends [from, to] of one layer whose split lies in [lowest, highest].
struct Kmeans1d::Range {
    std::size_t from, to, lowest, highest;
};

/// A centroid as one of its cluster's values and an offset, which may be far smaller.
struct Kmeans1d::Mean {
    double origin, offset;
};

Kmeans1d::Kmeans1d(std::span<const float> values, std::span<const float> weights) {
    checkClusterable(values, weights);
    const bool allAlike =
        std::all_of(weights.begin(), weights.end(), [](float weight) { return weight == 0.0F; });
    mergeSorted(values, allAlike ? std::span<const float>{} : weights);
    sumFromMedian();
    findAlone();
}

Kmeans1d::Kmeans1d(std::span<const float> values, std::span<const float> weights, int maxClusters)
    : Kmeans1d(values, weights) {
    LATHE_CHECK(maxClusters >= 1, "k-means: at least one cluster is needed");
    m_max = maxClusters;
    solve(maxClusters, false);
}

Clustering Kmeans1d::optimum(
    std::span<const float> values, std::span<const float> weights, int k,
    std::vector<double>* curve) {
    LATHE_CHECK(k >= 1, "k-means: at least one cluster is needed");
    Kmeans1d row(values, weights);
    row.m_max = k;
    row.m_least = curve != nullptr ? 1 : k;
    if (curve != nullptr || static_cast<std::size_t>(k) < row.count()) {
        row.solve(k, true);
    }
    if (curve != nullptr) {
        *curve = row.errorCurve();
    }
    return row.clustering(k);
}

void Kmeans1d::mergeSorted(std::span<const float> values, std::span<const float> weights) {
    std::vector<std::uint32_t> order(values.size());
    std::iota(order.begin(), order.end(), 0U);
    // The index breaks ties, so that equal values are summed in one order whatever sort does.
    std::sort(order.begin(), order.end(), [&values](std::uint32_t a, std::uint32_t b) {
        return values[a] < values[b] || (values[a] == values[b] && a < b);
    });
    for (const std::uint32_t i : order) {
        const double value = static_cast<double>(values[i]);
        const double weight = weights.empty() ? 1.0 : static_cast<double>(weights[i]);
        if (m_value.empty() || m_value.back() != value) {
            m_value.push_back(value);
            m_weight.push_back(0.0);
            m_repeats.push_back(0.0);
        }
        m_weight.back() += weight;
        m_repeats.back() += 1.0;
    }
}

/// Differences of prefix sums lose what lies below the rounding of the sums themselves, so the sums
/// start at the weighted median, which is also the centre, and grow outwards: a few huge values at
/// either end then spoil nothing but ranges that reach them. The median's own weight, which may
/// outweigh all the rest, is kept out of the sums (it adds nothing to those of value).
void Kmeans1d::sumFromMedian() {
    const double half = std::accumulate(m_weight.begin(), m_weight.end(), 0.0) / 2.0;
    std::size_t median = 0;
    for (double below = m_weight[0]; below < half && median + 1 < count();) {
        below += m_weight[++median];
    }
    m_median = median;
    m_medianWeight = m_weight[median];
    for (std::vector<double>* sums : {&m_s0, &m_s1, &m_s2}) {
        sums->assign(count() + 1, 0.0);
    }
    for (std::size_t i = median; i < count(); ++i) {
        const double value = m_value[i] - m_value[median];
        m_s0[i + 1] = m_s0[i] + (i == median ? 0.0 : m_weight[i]);
        m_s1[i + 1] = m_s1[i] + m_weight[i] * value;
        m_s2[i + 1] = m_s2[i] + m_weight[i] * value * value;
    }
    for (std::size_t i = median; i-- > 0;) {
        const double value = m_value[i] - m_value[median];
        m_s0[i] = m_s0[i + 1] - m_weight[i];
        m_s1[i] = m_s1[i + 1] - m_weight[i] * value;
        m_s2[i] = m_s2[i + 1] - m_weight[i] * value * value;
    }
}

/// Ranges in which but one value has weight cost nothing. That has to be known, since differences
/// of sums leave a rounding error there, which for an outlier exceeds the cost of all the rest.
void Kmeans1d::findAlone() {
    m_alone.resize(count());
    std::uint32_t behindLast = 0, alone = 0; // behind the last value with weight, the last but one
    for (std::size_t end = 0; end < count(); ++end) {
        if (m_weight[end] > 0.0) {
            alone = behindLast;
            behindLast = static_cast<std::uint32_t>(end) + 1;
        }
        m_alone[end] = alone;
    }
}

/// Cost of one cluster of the values from .. end, both included.
double Kmeans1d::rangeCost(std::size_t from, std::size_t end) const {
    if (from >= m_alone[end]) {
        return 0.0;
    }
    const bool withMedian = from <= m_median && m_median <= end;
    const double s0 = m_s0[end + 1] - m_s0[from] + (withMedian ? m_medianWeight : 0.0);
    const double s1 = m_s1[end + 1] - m_s1[from];
    const double s2 = m_s2[end + 1] - m_s2[from];
    return s0 > 0.0 ? std::max(s2 - s1 * s1 / s0, 0.0) : 0.0;
}

/// Layers 1 .. `layers` of D[k][j] = min over i of D[k-1][i-1] + cost(i, j). More clusters than
/// distinct values cost nothing and are not solved.
void Kmeans1d::solve(int layers, bool lastEndOnly) {
    const std::size_t last = count() - 1;
    const int needed =
        static_cast<int>(std::min<std::size_t>(static_cast<std::size_t>(layers), count()));
    m_split.assign(static_cast<std::size_t>(needed) * count(), 0U);
    m_previous.resize(count());
    m_current.assign(count(), 0.0);
    for (std::size_t end = 0; end < count(); ++end) {
        m_current[end] = rangeCost(0, end);
    }
    m_curve.push_back(m_current[last]);
    for (int layer = 1; layer < needed; ++layer) {
        std::swap(m_previous, m_current);
        const auto first = static_cast<std::size_t>(layer);
        if (lastEndOnly && layer == needed - 1) {
            solveOne(layer, last, first, last);
        } else {
            solveRange(layer, {first, last, first, last});
        }
        m_curve.push_back(std::min(m_current[last], m_curve.back()));
    }
    if (isDoubtful()) {
        solveCarefully();
    }
}

/// Rounding of the sums is some 1e-16 of the largest of them.
bool Kmeans1d::isDoubtful() const {
    const double squares = m_s2.back() - m_s2.front();
    // Costs fall: the one of most clusters that is not zero is the least of all.
    for (int k = std::min(m_max, static_cast<int>(count()) - 1); k >= m_least; --k) {
        const double cost = clustering(k).cost;
        if (cost > 0.0) {
            return cost < kTrusted * squares;
        }
    }
    return false;
}

/// The same layers anew, every end by itself.
void Kmeans1d::solveCarefully() {
    const auto layers = static_cast<int>(m_curve.size());
    m_curve.clear();
    for (int layer = 0; layer < layers; ++layer) {
        std::swap(m_previous, m_current);
        for (std::size_t end = static_cast<std::size_t>(layer); end < count(); ++end) {
            scanCarefully(layer, end);
        }
        m_curve.push_back(m_current.back());
    }
}

/// Grows the last cluster of [0, end] downwards by one value after another, its mean and sum of
/// squares updated as West 1979 does: nothing is subtracted but values, so the cost is right in
/// nearly all its digits whatever else is in the row.
void Kmeans1d::scanCarefully(int layer, std::size_t end) {
    const auto first = static_cast<std::size_t>(layer);
    double origin = 0.0, mean = 0.0, weight = 0.0, spread = 0.0;
    double least = std::numeric_limits<double>::infinity();
    std::size_t best = end;
    for (std::size_t i = end + 1; i-- > first && spread <= least;) {
        if (m_weight[i] > 0.0) {
            origin = weight > 0.0 ? origin : m_value[i];
            const double total = weight + m_weight[i];
            const double delta = m_value[i] - origin - mean;
            spread += weight * (m_weight[i] / total) * delta * delta;
            mean += m_weight[i] / total * delta;
            weight = total;
        }
        const double cost = layer > 0 ? m_previous[i - 1] + spread : spread;
        if ((layer > 0 || i == 0) && cost <= least) {
            least = cost;
            best = i;
        }
    }
    m_current[end] = least;
    split(layer, end) = static_cast<std::uint32_t>(best);
}

/// The best split is non-decreasing in the end of the range: the middle end bounds both halves.
void Kmeans1d::solveRange(int layer, Range range) {
    while (range.from <= range.to) {
        const std::size_t middle = range.from + (range.to - range.from) / 2;
        solveOne(layer, middle, range.lowest, range.highest);
        const std::size_t best = split(layer, middle);
        if (middle > range.from) {
            solveRange(layer, {range.from, middle - 1, range.lowest, best});
        }
        range.from = middle + 1;
        range.lowest = best;
    }
}

void Kmeans1d::solveOne(int layer, std::size_t end, std::size_t lowest, std::size_t highest) {
    // With one cluster more the last one never begins earlier; rounding may say otherwise.
    const std::size_t to = std::min(highest, end);
    const std::size_t from = std::min(std::max<std::size_t>(lowest, split(layer - 1, end)), to);
    const double s0 = m_s0[end + 1], s1 = m_s1[end + 1], s2 = m_s2[end + 1];
    const double beyond = m_median <= end ? m_medianWeight : 0.0;
    const std::size_t alone = m_alone[end];
    double least = std::numeric_limits<double>::infinity();
    std::size_t best = to;
    for (std::size_t i = from; i <= to; ++i) {
        const double d0 = s0 - m_s0[i] + (i <= m_median ? beyond : 0.0), d1 = s1 - m_s1[i];
        const double spread = i < alone && d0 > 0.0 ? s2 - m_s2[i] - d1 * d1 / d0 : 0.0;
        const double cost = m_previous[i - 1] + std::max(spread, 0.0);
        if (cost < least) {
            least = cost;
            best = i;
        }
    }
    m_current[end] = least;
    split(layer, end) = static_cast<std::uint32_t>(best);
}

/// Offsets from the heaviest value keep the digits of a narrow cluster far from the median,
/// whatever else of little weight is in it.
Kmeans1d::Mean Kmeans1d::rangeMean(std::size_t from, std::size_t end) const {
    const auto first = m_weight.begin() + static_cast<std::ptrdiff_t>(from);
    const auto last = m_weight.begin() + static_cast<std::ptrdiff_t>(end) + 1;
    const double origin =
        m_value[from + static_cast<std::size_t>(std::max_element(first, last) - first)];
    double weight = 0.0, total = 0.0, repeats = 0.0, plain = 0.0;
    for (std::size_t i = from; i <= end; ++i) {
        const double offset = m_value[i] - origin;
        weight += m_weight[i];
        total += m_weight[i] * offset;
        repeats += m_repeats[i];
        plain += m_repeats[i] * offset;
    }
    return {origin, weight > 0.0 ? total / weight : plain / repeats};
}

Clustering Kmeans1d::clustering(int k) const {
    LATHE_CHECK(
        k >= 1 && k <= m_max, "k-means: " + std::to_string(k) + " clusters, 1.." +
                                  std::to_string(m_max) + " were asked for");
    const std::size_t clusters = std::min(static_cast<std::size_t>(k), count());
    Clustering result;
    result.centroids.resize(static_cast<std::size_t>(k));
    std::size_t end = count() - 1;
    for (std::size_t cluster = clusters; cluster-- > 0;) {
        const std::size_t from = clusters == count() ? cluster : m_split[cluster * count() + end];
        const Mean mean = rangeMean(from, end);
        for (std::size_t i = from; i <= end; ++i) {
            const double distance = m_value[i] - mean.origin - mean.offset;
            result.cost += m_weight[i] * distance * distance;
        }
        result.centroids[cluster] = mean.origin + mean.offset;
        end = from - 1;
    }
    std::fill(
        result.centroids.begin() + static_cast<std::ptrdiff_t>(clusters), result.centroids.end(),
        result.centroids[clusters - 1]);
    return result;
}

std::vector<double> Kmeans1d::errorCurve() const {
    std::vector<double> curve = m_curve;
    curve.resize(static_cast<std::size_t>(m_max), 0.0);
    if (count() <= curve.size()) {
        std::fill(curve.begin() + static_cast<std::ptrdiff_t>(count()) - 1, curve.end(), 0.0);
    }
    return curve;
}

} // namespace lathe
