// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "engine/decode/decoder.h"
#include "engine/decode/encoder.h"
#include "experiments/study.h"

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace lathe {

/// A decoder of random weights and what a step of one token of it reads.
struct RandomDecoder {
    std::unique_ptr<Decoder> decoder;
    std::optional<EncoderOutput> encoded{}; ///< of an encoder-decoder
    std::int64_t stepBytes = 0;             ///< weights
    std::int64_t positionBytes = 0;         ///< keys and values of a position
    std::int64_t sourceBytes = 0;           ///< and of the source
};

struct SpeculativePair {
    RandomDecoder big, little;
};

/// t5-large (with t5-small), translate (the bundled translators), llama-7b (with tinyllama), and
/// t5-tiny and tiny, which are for tests.
std::vector<std::string> speculativePairNames();

/// @param bits of the blocks of LLaMA shapes, as randomLlama takes them; 16 for the others.
/// @param sourceTokens of encoder-decoders
/// @throws InputError for an unknown name or bits that the shape does not come in.
SpeculativePair randomPair(
    const std::string& name, int bits, std::int64_t sourceTokens, std::uint64_t seed,
    ExecContext& context, const std::function<void(const std::string& what)>& onPart);

} // namespace lathe
