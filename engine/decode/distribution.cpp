// SPDX-License-Identifier: Apache-2.0
#include "engine/decode/distribution.h"

#include "engine/core/check.h"
#include "engine/decode/token_model.h"

#include <algorithm>
#include <cmath>
#include <numeric>

namespace lathe {

namespace {

/// All ids, likeliest first, lower ids first among equals.
std::vector<std::size_t> byLikelihood(std::span<const double> probabilities, std::size_t first) {
    std::vector<std::size_t> order(probabilities.size());
    std::iota(order.begin(), order.end(), std::size_t{0});
    const auto end = order.begin() + static_cast<std::ptrdiff_t>(std::min(first, order.size()));
    std::partial_sort(order.begin(), end, order.end(), [&](std::size_t a, std::size_t b) {
        return probabilities[a] > probabilities[b] ||
               (probabilities[a] == probabilities[b] && a < b);
    });
    order.erase(end, order.end());
    return order;
}

/// How many of the leading candidates reach the nucleus.
std::size_t
nucleus(std::span<const double> weights, std::span<const std::size_t> order, double topP) {
    double sum = 0.0;
    for (const std::size_t id : order) {
        sum += weights[id];
    }
    double kept = 0.0;
    std::size_t count = 0;
    while (count < order.size() && kept < topP * sum) {
        kept += weights[order[count++]];
    }
    return std::max<std::size_t>(count, 1);
}

} // namespace

std::vector<TokenCandidate> topCandidates(std::span<const double> probabilities, int count) {
    std::vector<TokenCandidate> top;
    if (count > 0) {
        for (const std::size_t id : byLikelihood(probabilities, static_cast<std::size_t>(count))) {
            top.push_back({static_cast<TokenId>(id), probabilities[id]});
        }
    }
    return top;
}

std::vector<double> warped(std::span<const double> probabilities, const SamplingOptions& options) {
    LATHE_CHECK(!probabilities.empty(), "there are no probabilities to draw a token from");
    checkSampling(options);
    std::vector<double> result(probabilities.size(), 0.0);
    const auto best =
        static_cast<std::size_t>(std::ranges::max_element(probabilities) - probabilities.begin());
    if (options.greedy) {
        result[best] = 1.0;
        return result;
    }
    std::vector<double> weights(probabilities.begin(), probabilities.end());
    if (options.temperature != 1.0) {
        for (double& weight : weights) {
            weight = std::pow(weight / probabilities[best], 1.0 / options.temperature);
        }
    }
    if (options.topK == 0 && options.topP == 1.0) {
        result = std::move(weights);
    } else {
        const std::size_t first =
            options.topK == 0 ? weights.size() : static_cast<std::size_t>(options.topK);
        std::vector<std::size_t> order = byLikelihood(weights, first);
        if (options.topP < 1.0) {
            order.resize(nucleus(weights, order, options.topP));
        }
        for (const std::size_t id : order) {
            result[id] = weights[id];
        }
    }
    const double sum = std::accumulate(result.begin(), result.end(), 0.0);
    for (double& weight : result) {
        weight /= sum;
    }
    return result;
}

TokenId drawFrom(std::span<const double> weights, Random& random) {
    const double drawn = random.uniform() * std::accumulate(weights.begin(), weights.end(), 0.0);
    double passed = 0.0;
    TokenId chosen = -1;
    for (std::size_t id = 0; id < weights.size(); ++id) {
        if (weights[id] > 0.0) {
            chosen = static_cast<TokenId>(id); // rounding may leave `drawn` beyond the last sum
            passed += weights[id];
            if (drawn < passed) {
                break;
            }
        }
    }
    if (chosen < 0) {
        throw InternalError("a token was to be drawn from a distribution without weight");
    }
    return chosen;
}

std::vector<double> residual(std::span<const double> p, std::span<const double> q) {
    std::vector<double> rest(p.size());
    double sum = 0.0;
    for (std::size_t id = 0; id < p.size(); ++id) {
        rest[id] = std::max(0.0, p[id] - q[id]);
        sum += rest[id];
    }
    if (!(sum > 0.0)) {
        rest.assign(p.begin(), p.end());
    }
    return rest;
}

} // namespace lathe
