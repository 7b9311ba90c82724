// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "engine/core/json.h"
#include "engine/text/tokenizer.h"

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace lathe {

class Checkpoint;

/// LLaMA-3 frequency scaling; factor 1 means none.
struct RopeScaling {
    double factor = 1.0;
    double lowFrequencyFactor = 1.0;
    double highFrequencyFactor = 4.0;
    std::int64_t originalMaxPositions = 8192;
};

struct LlamaConfig {
    std::string architecture; ///< llama | mistral | qwen2
    std::int64_t hiddenSize = 0, intermediateSize = 0, vocabularySize = 0;
    int layers = 0, heads = 0, kvHeads = 0;
    std::int64_t headDim = 0, maxPositions = 0;
    double ropeTheta = 10000.0;
    RopeScaling ropeScaling{};
    std::vector<double> ropeFactors{}; ///< divide the frequencies [headDim / 2]; empty: none (GGUF)
    float rmsEpsilon = 1e-5F;
    bool tiedHead = false;
    bool qkvBias = false;
    bool outputBias = false; ///< o_proj has a bias
    bool mlpBias = false;    ///< gate, up and down have biases
    std::optional<TokenId> bos{}, eos{};
    std::string dtype; ///< as config.json says, for display
};

/// Reads both spellings (rope_theta / rope_scaling / torch_dtype and rope_parameters / dtype). Keys
/// that are absent take the defaults of the architecture in transformers.
/// @throws Unsupported naming the variant (an unknown model type, an active sliding window, another
///         rope type, activation or quantization method), FormatError naming the key.
/// @param where names the object in messages.
LlamaConfig llamaConfigFrom(const Json& config, const std::string& where = "config.json");
/// The same of a checkpoint's settings; messages name the file that they are in.
LlamaConfig llamaConfigFrom(const Checkpoint& checkpoint);

/// Radians per position of each pair, [headDim / 2], any scaling applied.
std::vector<float> ropeFrequencies(const LlamaConfig& config);

} // namespace lathe
