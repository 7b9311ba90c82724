// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "engine/core/json.h"

#include <cstdint>
#include <span>
#include <string>
#include <vector>

/// Summaries of measured values and how certain they are.
namespace lathe {

/// @throws InputError for no values; so do `median`, `percentile` and `percentiles`.
double mean(std::span<const double> values);
/// Mean of the two middle values when their count is even.
double median(std::span<const double> values);
/// Linear between the two nearest ranks. @param share 0..1.
double percentile(std::span<const double> values, double share);
/// Several percentiles of one set of values, which is sorted once. @throws InputError for a NaN,
/// which has no rank; so does `percentile`.
std::vector<double> percentiles(std::span<const float> values, std::span<const double> shares);

struct Interval {
    double low = 0.0;
    double high = 0.0;
};

/// Windows below which an interval would promise more than it knows.
inline constexpr std::size_t kMinimumWindows = 5;

/// 95 % interval of sum(sums) / sum(counts) by the percentile bootstrap: windows are drawn with
/// replacement, 1000 times, so a window's tokens stay together. The draws depend on the seed and
/// the number of windows alone: cells of a sweep are resampled alike (paired). Both bounds are NaN
/// under five windows.
Interval
bootstrapRatio(std::span<const double> sums, std::span<const double> counts, std::uint64_t seed);

/// Two settings that were measured on the same windows.
struct PairedComparison {
    double difference = 0.0; ///< sum(a) / sum(counts) - sum(b) / sum(counts)
    Interval differenceInterval;
    double ratio = 0.0; ///< sum(a) / sum(b); not finite where b is 0
    Interval ratioInterval;
};

/// Compares two settings by the paired bootstrap: each draw takes the same windows of both, those
/// of `bootstrapRatio` with this seed, so what makes a window hard for both cancels out.
/// @param a, b, counts  sums of each window, in the order of the text.
PairedComparison pairedBootstrap(
    std::span<const double> a, std::span<const double> b, std::span<const double> counts,
    std::uint64_t seed);

/// Puts name, name_low and name_high into `metrics`; what is not finite becomes null.
void putWithInterval(Json& metrics, const std::string& name, double value, Interval interval);

/// Sums over the scored tokens of a window.
struct WindowScore {
    double nll = 0.0;    ///< negative log-likelihood, nats
    double tokens = 0.0; ///< scored tokens
    double bytes = 0.0;  ///< UTF-8 bytes of their text
};

/// exp(sum of nll / sum of tokens): every scored token counts alike, whatever its window.
double perplexity(std::span<const WindowScore> windows);

/// Puts perplexity and bits_per_byte (each with _low, _high), nll, tokens and windows.
void putLanguageScores(Json& metrics, std::span<const WindowScore> windows, std::uint64_t seed);

/// Puts `<name>_median`, `<name>_p99` and `<name>_p999`: the 50, 99 and 99.9 % percentiles of what
/// was measured for each token. A mean hides rare tokens that are far off.
void putTail(Json& metrics, const std::string& name, std::span<const float> values);

/// Puts `<name>` as the median, `<name>_min` and `<name>_max` beside it.
void putTiming(Json& metrics, const std::string& name, std::span<const double> values);

} // namespace lathe
