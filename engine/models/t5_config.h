// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "engine/core/json.h"
#include "engine/text/tokenizer.h"

#include <cstdint>
#include <string>
#include <vector>

namespace lathe {

class Checkpoint;

/// What stands between the two products of a feed-forward layer.
enum class T5Activation : std::uint8_t { Relu, GatedGelu, GatedSilu };

struct T5Config {
    std::string architecture; ///< t5 | mt5
    std::int64_t hiddenSize = 0, intermediateSize = 0, vocabularySize = 0;
    int encoderLayers = 0, decoderLayers = 0, heads = 0;
    std::int64_t headDim = 0;
    int buckets = 32;               ///< of distances, both directions together
    std::int64_t maxDistance = 128; ///< from here on all distances are one bucket
    T5Activation activation{};
    float rmsEpsilon = 1e-6F;
    bool tiedHead = true;   ///< the head is the embedding
    bool scaledHead = true; ///< hidden states times hidden^-0.5 before the head
    TokenId start = 0, eos = 1;
    std::string dtype; ///< as config.json says, for display
};

/// Positions of a text and of a source. The architecture has no limit: as far as its biases are
/// made here.
inline constexpr std::int64_t kT5Positions = 4096;

/// Is it of the T5 family by its model type?
bool isT5(const Json& config);

/// Reads the settings of T5 (v1.0, v1.1) and mT5 as transformers writes and reads them.
/// @param ownHead whether the files hold a head (`lm_head.weight`): newer settings always say that
///        it is tied.
/// @param where names the object in messages.
/// @throws Unsupported naming the variant, FormatError naming the key.
T5Config t5ConfigFrom(const Json& config, bool ownHead, const std::string& where = "config.json");
T5Config t5ConfigFrom(const Checkpoint& checkpoint);

/// Matrices, norms and biases that the settings imply.
std::int64_t parameterCount(const T5Config& config);

/// Which row of the table of biases each distance takes (a key's position less its query's), for
/// distances from -back to ahead. The decoder's table tells only distances back from one another.
/// @see arXiv 1910.10683, section 2.1; transformers rounds the logarithm in single precision.
std::vector<std::int32_t>
t5Buckets(const T5Config& config, bool bothDirections, std::int64_t back, std::int64_t ahead);

} // namespace lathe
