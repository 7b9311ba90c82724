// SPDX-License-Identifier: Apache-2.0
#include "experiments/metrics.h"

#include "engine/base/random.h"
#include "engine/core/check.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <functional>
#include <limits>
#include <numbers>
#include <numeric>

namespace lathe {

namespace {

constexpr int kResamples = 1000;

struct Columns {
    std::vector<double> nll, tokens, bytes;
};

Columns columnsOf(std::span<const WindowScore> windows) {
    Columns columns;
    for (const WindowScore& window : windows) {
        columns.nll.push_back(window.nll);
        columns.tokens.push_back(window.tokens);
        columns.bytes.push_back(window.bytes);
    }
    return columns;
}

double sum(std::span<const double> values) {
    return std::accumulate(values.begin(), values.end(), 0.0);
}

template <class T>
std::vector<double> ranked(std::span<const T> values) {
    LATHE_CHECK(!values.empty(), "no values to take a percentile of");
    std::vector<double> sorted(values.begin(), values.end());
    LATHE_CHECK(
        std::ranges::none_of(sorted, [](double value) { return std::isnan(value); }),
        "no percentile of values that are not numbers");
    std::ranges::sort(sorted);
    return sorted;
}

double atShare(std::span<const double> sorted, double share) {
    LATHE_CHECK(share >= 0.0 && share <= 1.0, "a percentile's share must be from 0 to 1");
    const double rank = share * static_cast<double>(sorted.size() - 1);
    const auto below = static_cast<std::size_t>(std::floor(rank));
    const std::size_t above = std::min(below + 1, sorted.size() - 1);
    const double part = rank - std::floor(rank);
    return part == 0.0 ? sorted[below] : sorted[below] + part * (sorted[above] - sorted[below]);
}

} // namespace

double mean(std::span<const double> values) {
    LATHE_CHECK(!values.empty(), "no values to take a mean of");
    return sum(values) / static_cast<double>(values.size());
}

double median(std::span<const double> values) { return percentile(values, 0.5); }

double percentile(std::span<const double> values, double share) {
    return atShare(ranked(values), share);
}

std::vector<double> percentiles(std::span<const float> values, std::span<const double> shares) {
    const std::vector<double> sorted = ranked(values);
    std::vector<double> found;
    for (const double share : shares) {
        found.push_back(atShare(sorted, share));
    }
    return found;
}

Interval
bootstrapRatio(std::span<const double> sums, std::span<const double> counts, std::uint64_t seed) {
    LATHE_CHECK(sums.size() == counts.size(), "a bootstrap needs one count for each sum");
    constexpr double kUnknown = std::numeric_limits<double>::quiet_NaN();
    if (sums.size() < kMinimumWindows) {
        return {kUnknown, kUnknown};
    }
    Random random(seed);
    std::vector<double> ratios(kResamples);
    for (double& ratio : ratios) {
        double total = 0.0;
        double count = 0.0;
        for (std::size_t i = 0; i < sums.size(); ++i) {
            const auto drawn = static_cast<std::size_t>(random.below(sums.size()));
            total += sums[drawn];
            count += counts[drawn];
        }
        ratio = total / count;
    }
    if (!std::ranges::all_of(ratios, [](double ratio) { return std::isfinite(ratio); })) {
        return {kUnknown, kUnknown};
    }
    return {percentile(ratios, 0.025), percentile(ratios, 0.975)};
}

PairedComparison pairedBootstrap(
    std::span<const double> a, std::span<const double> b, std::span<const double> counts,
    std::uint64_t seed) {
    LATHE_CHECK(a.size() == b.size(), "a paired bootstrap needs the same windows of both settings");
    std::vector<double> gaps(a.size());
    std::ranges::transform(a, b, gaps.begin(), std::minus());
    return {
        .difference = sum(gaps) / sum(counts),
        .differenceInterval = bootstrapRatio(gaps, counts, seed),
        .ratio = sum(a) / sum(b),
        .ratioInterval = bootstrapRatio(a, b, seed)};
}

void putWithInterval(Json& metrics, const std::string& name, double value, Interval interval) {
    metrics[name] = jsonNumber(value);
    metrics[name + "_low"] = jsonNumber(interval.low);
    metrics[name + "_high"] = jsonNumber(interval.high);
}

double perplexity(std::span<const WindowScore> windows) {
    const Columns columns = columnsOf(windows);
    return std::exp(sum(columns.nll) / sum(columns.tokens));
}

void putLanguageScores(Json& metrics, std::span<const WindowScore> windows, std::uint64_t seed) {
    const Columns columns = columnsOf(windows);
    const double nll = sum(columns.nll) / sum(columns.tokens);
    const Interval perToken = bootstrapRatio(columns.nll, columns.tokens, seed);
    putWithInterval(
        metrics, "perplexity", std::exp(nll), {std::exp(perToken.low), std::exp(perToken.high)});
    const double bits = sum(columns.nll) / std::numbers::ln2 / sum(columns.bytes);
    const Interval perByte = bootstrapRatio(columns.nll, columns.bytes, seed);
    putWithInterval(
        metrics, "bits_per_byte", bits,
        {perByte.low / std::numbers::ln2, perByte.high / std::numbers::ln2});
    metrics["nll"] = jsonNumber(nll);
    metrics["tokens"] = static_cast<std::int64_t>(sum(columns.tokens));
    metrics["windows"] = windows.size();
}

void putTail(Json& metrics, const std::string& name, std::span<const float> values) {
    const std::vector<double> found = percentiles(values, std::array{0.5, 0.99, 0.999});
    metrics[name + "_median"] = jsonNumber(found[0]);
    metrics[name + "_p99"] = jsonNumber(found[1]);
    metrics[name + "_p999"] = jsonNumber(found[2]);
}

void putTiming(Json& metrics, const std::string& name, std::span<const double> values) {
    metrics[name] = jsonNumber(median(values));
    metrics[name + "_min"] = jsonNumber(*std::ranges::min_element(values));
    metrics[name + "_max"] = jsonNumber(*std::ranges::max_element(values));
}

} // namespace lathe
