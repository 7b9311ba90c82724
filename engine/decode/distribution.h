// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "engine/decode/sampler.h"

#include <span>
#include <vector>

/// Distributions of the next token as numbers, for strategies that compare two of them.
namespace lathe {

/// The distribution that `options` shape: temperature, then top-k, then top-p, renormalized. Greedy
/// gives all weight to the likeliest id, the lowest on ties. In double precision: differences of
/// two distributions would underflow otherwise.
/// @param probabilities at temperature 1.
/// @throws InputError for an empty distribution or options out of range.
std::vector<double> warped(std::span<const double> probabilities, const SamplingOptions& options);

/// Draws an id by one uniform number. The weights need not sum to 1.
/// @throws InternalError when no weight is above 0.
TokenId drawFrom(std::span<const double> weights, Random& random);

/// max(0, p - q), not normalized; p itself where rounding leaves nothing of it.
/// @see Leviathan et al. (arXiv 2211.17192), algorithm 1
std::vector<double> residual(std::span<const double> p, std::span<const double> q);

} // namespace lathe
