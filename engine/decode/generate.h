// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "engine/base/random.h"
#include "engine/core/run_control.h"
#include "engine/decode/decoder.h"

#include <functional>
#include <vector>

namespace lathe {

struct SamplingOptions {
    bool greedy = true;
    double temperature = 1.0;  ///< > 0
    double topP = 1.0;         ///< nucleus, (0, 1]
    int topK = 0;              ///< 0: all
};

/// Draws one id from a row of logits. Greedy takes the lowest id of the largest logit. Sampling:
/// temperature, then top-k, then top-p, then one uniform number.
struct SampledToken {
    TokenId id;
    double probability;  ///< under the distribution drawn from (greedy: under plain softmax)
};
SampledToken sampleToken(std::span<const float> logits, const SamplingOptions& options, Random& random);

struct GenerateOptions {
    int maxNew = 48;
    SamplingOptions sampling{};
    bool stopAtEos = true;
};

struct GeneratedToken {
    int position;
    TokenId id;
    double probability;
    double microseconds;  ///< of the step that produced it
};

/// Continues `prompt` (not empty). `onToken` sees every new token as it is made.
/// Checks for cancellation between tokens. Stops early when the positions are used up.
/// @return all ids, the prompt included.
std::vector<TokenId> generate(
    RunControl& run, ExecContext& context, const Decoder& model, std::span<const TokenId> prompt,
    std::optional<TokenId> eos, const GenerateOptions& options, Random& random,
    const std::function<void(const GeneratedToken&)>& onToken);

} // namespace lathe
