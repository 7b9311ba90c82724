// SPDX-License-Identifier: Apache-2.0
#include "engine/decode/sampler.h"

#include "engine/core/check.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <string>
#include <vector>

namespace lathe {

void checkSampling(const SamplingOptions& options) {
    LATHE_CHECK(
        std::isfinite(options.temperature) && options.temperature > 0.0,
        "the temperature must be above 0, not " + std::to_string(options.temperature));
    LATHE_CHECK(
        options.topP > 0.0 && options.topP <= 1.0,
        "top-p must lie above 0 and not above 1, not " + std::to_string(options.topP));
    LATHE_CHECK(
        options.topK >= 0,
        "top-k must be 0 (all) or positive, not " + std::to_string(options.topK));
}

namespace {

/// Index of the largest logit, the lowest one on ties.
std::size_t largest(std::span<const float> logits) {
    std::size_t best = 0;
    bool usable = true;
    for (std::size_t i = 0; i < logits.size(); ++i) {
        usable = usable && !std::isnan(logits[i]);
        best = logits[i] > logits[best] ? i : best;
    }
    LATHE_CHECK(
        usable && std::isfinite(logits[best]),
        "the model's logits are not finite; its weights hold NaN or infinite values");
    return best;
}

SampledToken greedy(std::span<const float> logits, std::size_t best) {
    const double top = static_cast<double>(logits[best]);
    double sum = 0.0;
    for (const float logit : logits) {
        sum += std::exp(static_cast<double>(logit) - top);
    }
    return {static_cast<TokenId>(best), 1.0 / sum};
}

/// The candidates that sampling may draw, likeliest first where an order is needed, lower ids first
/// among equals.
std::vector<std::size_t>
candidatesOf(std::span<const float> logits, const SamplingOptions& options) {
    std::vector<std::size_t> order(logits.size());
    std::iota(order.begin(), order.end(), std::size_t{0});
    const auto likelier = [&](std::size_t a, std::size_t b) {
        return logits[a] > logits[b] || (logits[a] == logits[b] && a < b);
    };
    const auto limit = static_cast<std::size_t>(options.topK);
    if (limit > 0 && limit < order.size()) {
        const auto end = order.begin() + static_cast<std::ptrdiff_t>(limit);
        std::partial_sort(order.begin(), end, order.end(), likelier);
        order.erase(end, order.end());
    } else if (options.topP < 1.0) {
        std::sort(order.begin(), order.end(), likelier);
    }
    return order;
}

} // namespace

SampledToken
sampleToken(std::span<const float> logits, const SamplingOptions& options, Random& random) {
    LATHE_CHECK(!logits.empty(), "there are no logits to choose a token from");
    checkSampling(options);
    const std::size_t best = largest(logits);
    if (options.greedy) {
        return greedy(logits, best);
    }
    std::vector<std::size_t> candidates = candidatesOf(logits, options);
    std::vector<double> weights(candidates.size());
    double sum = 0.0;
    for (std::size_t i = 0; i < candidates.size(); ++i) {
        const double below =
            static_cast<double>(logits[candidates[i]]) - static_cast<double>(logits[best]);
        weights[i] = std::exp(below / options.temperature);
        sum += weights[i];
    }
    if (options.topP < 1.0) {
        const double wanted = options.topP * sum;
        double kept = 0.0;
        std::size_t count = 0;
        while (count < weights.size() && kept < wanted) {
            kept += weights[count++];
        }
        count = std::max<std::size_t>(count, 1);
        candidates.resize(count);
        weights.resize(count);
        sum = std::accumulate(weights.begin(), weights.end(), 0.0);
    }
    const double drawn = random.uniform() * sum;
    double passed = 0.0;
    std::size_t chosen = 0;
    for (std::size_t i = 0; i < weights.size(); ++i) {
        if (weights[i] > 0.0) {
            chosen = i; // rounding may leave `drawn` beyond the last sum
        }
        passed += weights[i];
        if (drawn < passed) {
            break;
        }
    }
    return {static_cast<TokenId>(candidates[chosen]), weights[chosen] / sum};
}

} // namespace lathe
