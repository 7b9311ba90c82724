// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "engine/decode/draft_maker.h"
#include "engine/decode/early_exit.h"
#include "engine/io/checkpoint.h"
#include "engine/models/llama_config.h"
#include "engine/models/reference_layout.h"
#include "engine/nn/linear.h"

#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace lathe {

/// How the quantized modules of a saved folder are laid out: see docs/formats.md.
enum class WeightLayout {
    Own,      ///< what this program reads fastest, any weight format, every tensor with a checksum
    Reference ///< SqueezeLLM's, for exchange; look-up weights only
};

/// One block; `modules()` of the model visits its matrices by name.
struct LlamaBlock {
    Tensor inputNorm, postAttentionNorm; ///< [hidden] F32
    Linear q, k, v, o, gate, up, down;
    std::optional<Linear> qkv, gateUp; ///< see LlamaModel::fuseProducts
};

/// The LLaMA family: RMSNorm, rotary positions, grouped-query attention, SwiGLU.
class LlamaModel : public EarlyExitDecoder, public DraftMaker {
public:
    /// Matrices stay as stored (F32, F16, BF16, or quantized by saveQuantized), on the CPU in
    /// mapped memory; norms and biases become F32. Values are not looked at. Modules in
    /// SqueezeLLM's own layout are converted; `tableRounding` says what that changed.
    /// @throws FormatError listing all missing, surplus and wrongly shaped tensors at once;
    ///         DeviceError when it does not fit (with the estimate).
    static std::unique_ptr<LlamaModel> load(const Checkpoint& checkpoint, ExecContext& context);

    const LlamaConfig& config() const noexcept { return m_config; }
    std::int64_t vocabularySize() const override { return m_config.vocabularySize; }
    std::int64_t maxPositions() const override { return m_config.maxPositions; }
    /// @throws InputError for a capacity out of range, an encoder output or another device.
    std::unique_ptr<DecoderState> begin(
        ExecContext& context, std::int64_t capacity,
        const EncoderOutput* encoder = nullptr) const override;
    ConstView forward(ExecContext& context, std::span<const DecodeSlot> slots) const override;

    /// What forward does with one token for each of up to 16 sequences on a GPU: a few fused
    /// launches a block, replayed as a graph that the first slot's state keeps. It is made anew
    /// when slots, caches or weights change. Runs on any device.
    ConstView forwardDecode(ExecContext& context, std::span<const DecodeSlot> slots) const;
    /// What forward does with 2 to 12 tokens of one sequence on a GPU: the same, recorded for a few
    /// numbers of tokens, see RecordedSteps. For models of at most kMostStepKeys positions; runs on
    /// any device.
    ConstView forwardRows(ExecContext& context, const DecodeSlot& slot) const;
    /// On a GPU, for as many ends as a DraftStep knows and positions as a StepAttention does.
    bool makesDrafts(ExecContext& context, const DraftLimits& limits) const override;
    /// @throws InputError as forward does
    std::vector<DraftedRow> makeDrafts(
        ExecContext& context, DecoderState& state, std::span<const TokenId> tokens,
        const DraftLimits& limits, std::int64_t columns) const override;

    /// As forward, for one fresh sequence; also hands out the hidden states after a layer
    /// ([tokens, hidden] F32), for checks against references.
    using HiddenObserver = std::function<void(int layer, ConstView hidden)>;
    ConstView forwardObserved(
        ExecContext& context, std::span<const DecodeSlot> slots,
        const HiddenObserver& observer) const;

    /// The block matrices that quantizers replace, in order, by Hugging Face name
    /// ("model.layers.0.self_attn.q_proj"). Embedding, head and norms are not among them.
    using Module = NamedLinear;
    std::vector<Module> modules();
    std::vector<std::pair<std::string, const Linear*>> modules() const;

    /// Lays q, k and v, and gate and up, of every block together in memory, so that a decoding step
    /// multiplies with each group once. On a GPU `load` does so, and whoever replaces weights does
    /// it again afterwards: a group with a replaced weight is not used. On a CPU it gains nothing.
    void fuseProducts(ExecContext& context);

    /// A model that shares every tensor with this one; replacing a module's weight leaves the
    /// original as it is.
    std::unique_ptr<LlamaModel> share() const;

    int layers() const override { return m_config.layers; }
    std::unique_ptr<Decoder> firstLayers(int count) const override;

    /// All weights as held in memory (saveQuantized writes the same bytes), embedding, head (once
    /// when tied), norms and biases included.
    std::int64_t weightBytes() const;
    std::int64_t parameterCount() const;
    /// Average bits of the quantized block matrices (dense ones excluded; 0 when none is
    /// quantized).
    double averageQuantizedBits() const;
    /// What reading changed in tables that were stored as F32; nothing in files of saveQuantized.
    const TableRounding& tableRounding() const noexcept { return m_tableRounding; }

private:
    friend class LlamaDecodeStep;
    friend class RandomLlama;
    friend class LlamaGradient;
    friend class LlamaSaver;
    friend void saveQuantized(
        const LlamaModel&, const Checkpoint&, const Json&, const std::filesystem::path&,
        WeightLayout);
    /// Whether the kernels of several rows of one sequence take its shape.
    bool takesRows() const;
    void checkCall(ExecContext& context, std::span<const DecodeSlot> slots) const;
    void attend(
        ExecContext& context, int layer, std::span<const DecodeSlot> slots, ConstView positions,
        TensorView x) const;
    void feedForward(ExecContext& context, const LlamaBlock& block, TensorView x) const;

    LlamaConfig m_config;
    Tensor m_embedding;           ///< [vocabulary, hidden]
    std::optional<Linear> m_head; ///< none: tied
    Tensor m_finalNorm;           ///< [hidden] F32
    Tensor m_frequencies;         ///< [headDim / 2] F32
    std::vector<LlamaBlock> m_blocks;
    TableRounding m_tableRounding{};
    Device m_device{};
};

/// Writes a (quantized) model as a Hugging Face-style folder: config.json with
/// "quantization_config": {"quant_method": "lathe", ...}, tokenizer files copied from `source`, and
/// model.safetensors whose quantized modules are stored as <module>.packed/.table or .scale/.zero
/// with the format record and `provenance` in `__metadata__` ("lathe.format", "lathe.provenance").
/// The reference layout has SqueezeLLM's tensors instead, "quant_method": "squeezellm", the
/// provenance and no record. `load` reads both back bit for bit. The folder appears whole or not at
/// all.
/// @throws InputError when `folder` exists and is not empty or cannot be written; Unsupported for a
///         GGUF source with a vocabulary, which has no files to copy, and for weights that the
///         reference layout cannot hold.
void saveQuantized(
    const LlamaModel& model, const Checkpoint& source, const Json& provenance,
    const std::filesystem::path& folder, WeightLayout layout = WeightLayout::Own);

/// Whether saveQuantized can write what it needs beside the weights; asked before long work.
/// @throws Unsupported for a GGUF source with a vocabulary.
void requireSavable(const Checkpoint& source);

/// Memory that loading and running `checkpoint` takes on a device, in bytes: weights as they will
/// be held plus a cache of `positions`.
std::int64_t estimateBytes(const Checkpoint& checkpoint, std::int64_t positions);

} // namespace lathe
