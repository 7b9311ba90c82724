// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "engine/base/random.h"
#include "engine/text/tokenizer.h"

#include <span>

namespace lathe {

struct SamplingOptions {
    bool greedy = true;
    double temperature = 1.0; ///< > 0
    double topP = 1.0;        ///< nucleus, (0, 1]
    int topK = 0;             ///< 0: all
};

/// @throws InputError for options out of range.
void checkSampling(const SamplingOptions& options);

struct SampledToken {
    TokenId id;
    double probability; ///< under the distribution drawn from (greedy: under plain softmax)
};

/// Draws one id from a row of logits. Greedy takes the lowest id of the largest logit and draws no
/// random number. Sampling: temperature, then top-k, then top-p, then one uniform number.
/// @throws InputError for an empty row, options out of range, or logits that are NaN, +Inf or all
///         -Inf (damaged weights).
SampledToken
sampleToken(std::span<const float> logits, const SamplingOptions& options, Random& random);

} // namespace lathe
