// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "engine/core/run_control.h"
#include "engine/decode/decoder.h"
#include "engine/decode/sampler.h"

#include <functional>
#include <optional>
#include <vector>

namespace lathe {

struct GenerateOptions {
    int maxNew = 48;
    SamplingOptions sampling{};
    bool stopAtEos = true;
    std::vector<TokenId> ends{};            ///< further ids that stop it like the end-of-text token
    const EncoderOutput* encoder = nullptr; ///< what an encoder-decoder reads
};

struct GeneratedToken {
    int position;
    TokenId id;
    double probability;
    double microseconds; ///< of the step that produced it
};

/// Continues `prompt` (not empty; the start token for an encoder-decoder). `onToken` sees every new
/// token as it is made. Checks for cancellation between tokens. Stops early when the positions are
/// used up; an end-of-text token that stops it is among the ids.
/// @return all ids, the prompt included.
/// @throws InputError for an empty prompt, one longer than the model's positions, or a negative
///         maxNew; Cancelled.
std::vector<TokenId> generate(
    RunControl& run, ExecContext& context, const Decoder& model, std::span<const TokenId> prompt,
    std::optional<TokenId> eos, const GenerateOptions& options, Random& random,
    const std::function<void(const GeneratedToken&)>& onToken);

} // namespace lathe
