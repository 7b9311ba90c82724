// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "engine/decode/decoder.h"
#include "engine/io/checkpoint.h"
#include "engine/nn/linear.h"

#include <functional>
#include <string>
#include <vector>

namespace lathe {

/// LLaMA-3 frequency scaling; factor 1 means none.
struct RopeScaling {
    double factor = 1.0;
    double lowFrequencyFactor = 1.0;
    double highFrequencyFactor = 4.0;
    std::int64_t originalMaxPositions = 8192;
};

struct LlamaConfig {
    std::string architecture;  ///< llama | mistral | qwen2
    std::int64_t hiddenSize = 0, intermediateSize = 0, vocabularySize = 0;
    int layers = 0, heads = 0, kvHeads = 0;
    std::int64_t headDim = 0, maxPositions = 0;
    double ropeTheta = 10000.0;
    RopeScaling ropeScaling{};
    float rmsEpsilon = 1e-5F;
    bool tiedHead = false;
    bool qkvBias = false;
    std::optional<TokenId> bos{}, eos{};
    std::string dtype;  ///< as config.json says, for display
};

/// Reads both spellings (rope_theta / rope_scaling / torch_dtype and rope_parameters / dtype).
/// @throws Unsupported naming the variant (an active sliding window, another rope type, activation),
///         FormatError naming the key.
LlamaConfig llamaConfigFrom(const Json& config);

/// One block; `modules()` of the model visits its matrices by name.
struct LlamaBlock {
    Tensor inputNorm, postAttentionNorm;  ///< [hidden] F32
    Linear q, k, v, o, gate, up, down;
};

/// The LLaMA family: RMSNorm, rotary positions, grouped-query attention, SwiGLU.
class LlamaModel : public Decoder {
public:
    /// @throws FormatError listing all missing, surplus and wrongly shaped tensors at once;
    ///         DeviceError when it does not fit (with the estimate).
    static std::unique_ptr<LlamaModel> load(const Checkpoint& checkpoint, ExecContext& context);

    const LlamaConfig& config() const noexcept { return m_config; }
    std::int64_t vocabularySize() const override { return m_config.vocabularySize; }
    std::int64_t maxPositions() const override { return m_config.maxPositions; }
    std::unique_ptr<DecoderState> begin(
        ExecContext& context, std::int64_t capacity,
        const EncoderOutput* encoder = nullptr) const override;
    ConstView forward(ExecContext& context, std::span<const DecodeSlot> slots) const override;

    /// As forward, for one fresh sequence; also hands out the hidden states after a layer
    /// ([tokens, hidden] F32), for checks against references.
    using HiddenObserver = std::function<void(int layer, ConstView hidden)>;
    ConstView forwardObserved(
        ExecContext& context, std::span<const DecodeSlot> slots, const HiddenObserver& observer) const;

    /// The block matrices that quantizers replace, in order, by Hugging Face name
    /// ("model.layers.0.self_attn.q_proj"). Embedding, head and norms are not among them.
    struct Module {
        std::string name;
        Linear* linear;
    };
    std::vector<Module> modules();
    std::vector<std::pair<std::string, const Linear*>> modules() const;

    /// A model that shares every tensor with this one; replacing a module's weight leaves the
    /// original as it is.
    std::unique_ptr<LlamaModel> share() const;

    /// All weights as stored, embedding, head (once when tied) and norms included.
    std::int64_t weightBytes() const;
    std::int64_t parameterCount() const;
    /// Average bits of the quantized block matrices (dense ones excluded; 0 when none is quantized).
    double averageQuantizedBits() const;

private:
    friend class LlamaSaver;
    LlamaConfig m_config;
    Tensor m_embedding;           ///< [vocabulary, hidden]
    std::optional<Linear> m_head; ///< none: tied
    Tensor m_finalNorm;           ///< [hidden] F32
    Tensor m_frequencies;         ///< [headDim / 2] F32
    std::vector<LlamaBlock> m_blocks;
    Device m_device{};
};

/// Writes a (quantized) model as a Hugging Face-style folder: config.json with
/// "quantization_config": {"quant_method": "lathe", ...}, tokenizer files copied from `source`, and
/// model.safetensors whose quantized modules are stored as <module>.packed/.table or .scale/.zero
/// with the format record in `__metadata__`. `load` reads it back bit for bit.
void saveQuantized(
    const LlamaModel& model, const Checkpoint& source, const Json& provenance,
    const std::filesystem::path& folder);

/// Memory that loading and running `checkpoint` takes on a device, in bytes: weights as they will be
/// held plus a cache of `positions`.
std::int64_t estimateBytes(const Checkpoint& checkpoint, std::int64_t positions);

} // namespace lathe
