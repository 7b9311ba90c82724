// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "engine/decode/draft_maker.h"
#include "engine/decode/early_exit.h"
#include "engine/decode/encoder.h"
#include "engine/io/checkpoint.h"
#include "engine/models/t5_config.h"
#include "engine/nn/linear.h"

#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace lathe {

class T5MemoryPool;

struct T5Attention {
    Tensor norm; ///< [hidden] F32
    Linear q, k, v, o;
    std::optional<Linear> qkv; ///< the rows of q, k and v together, for one row of x
};

/// One block of either stack.
struct T5Block {
    T5Attention self;
    std::optional<T5Attention> source; ///< of the decoder: reads what the encoder made
    Tensor feedForwardNorm;            ///< [hidden] F32
    Linear in;                         ///< the gate where there is one
    std::optional<Linear> up;          ///< only where there is a gate
    std::optional<Linear> gateUp;      ///< the rows of both together, for one row of x
    Linear out;
};

/// The encoder or the decoder.
struct T5Stack {
    std::vector<T5Block> blocks;
    Tensor finalNorm; ///< [hidden] F32
    /// [heads, distances] F32: what all blocks add to their own scores by how far a key is from its
    /// query, see Attention.
    Tensor bias;
};

/// T5 and mT5: RMSNorm before every layer, biases by distance instead of positions, no scaling of
/// scores, ReLU or gated feed-forward layers.
/// @see T5 (arXiv 1910.10683), v1.1 and mT5 (arXiv 2010.11934)
class T5Model : public EarlyExitDecoder, public Encoder, public DraftMaker {
public:
    T5Model();
    /// Matrices stay as stored (F32, F16 or BF16); norms and biases become F32. A context's
    /// products must be in single precision: in half, the feed-forward layers overflow.
    /// @throws FormatError listing all missing, surplus and wrongly shaped tensors at once;
    ///         DeviceError when it does not fit (with the estimate).
    static std::unique_ptr<T5Model> load(const Checkpoint& checkpoint, ExecContext& context);

    const T5Config& config() const noexcept { return m_config; }
    std::int64_t vocabularySize() const override { return m_config.vocabularySize; }
    std::int64_t maxPositions() const override { return kT5Positions; }
    std::int64_t maxSourceTokens() const override { return kT5Positions; }
    TokenId startToken() const override { return m_config.start; }
    TokenId endToken() const override { return m_config.eos; }

    EncoderOutput encode(ExecContext& context, std::span<const TokenId> source) const override;
    /// Multiplies keys and values of the source for all blocks: once for a sequence.
    /// @throws InputError for a capacity out of range, no encoder output, one of another model or
    ///         another device.
    std::unique_ptr<DecoderState> begin(
        ExecContext& context, std::int64_t capacity,
        const EncoderOutput* encoder = nullptr) const override;
    ConstView forward(ExecContext& context, std::span<const DecodeSlot> slots) const override;

    /// What forward does on a GPU: a few fused launches a block, replayed as a graph where they are
    /// of at most 12 tokens of one sequence. Runs on any device.
    ConstView forwardDecode(ExecContext& context, std::span<const DecodeSlot> slots) const;
    /// On a GPU, for as many ends as a DraftStep knows.
    bool makesDrafts(ExecContext& context, const DraftLimits& limits) const override;
    /// @throws InputError as forward does
    std::vector<DraftedRow> makeDrafts(
        ExecContext& context, DecoderState& state, std::span<const TokenId> tokens,
        const DraftLimits& limits, std::int64_t columns) const override;

    /// The matrices of the blocks of both stacks, in order, by Hugging Face name
    /// ("decoder.block.0.layer.1.EncDecAttention.q"). Embedding, head and norms are not among them.
    /// Products that are laid together are taken apart, since their weights are about to be
    /// replaced: call fuseProducts afterwards.
    using Module = NamedLinear;
    std::vector<Module> modules();
    std::vector<std::pair<std::string, const Linear*>> modules() const;

    /// Lays q, k and v, and both halves of a gated layer, of the decoder's blocks together in
    /// memory, so that one fresh token is multiplied with each group once. `load` does so.
    void fuseProducts(ExecContext& context);

    /// A model that shares every tensor with this one; replacing a module's weight leaves the
    /// original as it is.
    std::unique_ptr<T5Model> share() const;

    int layers() const override { return m_config.decoderLayers; }
    /// A T5Model with the encoder of this one.
    std::unique_ptr<Decoder> firstLayers(int count) const override;

    /// All weights as held in memory, the embedding once when the head is tied to it.
    std::int64_t weightBytes() const;
    /// Of these, what one step of the decoder reads: its blocks without the products of the source
    /// that `begin` makes, and the head.
    std::int64_t stepBytes() const;

private:
    friend class T5DecodeStep;
    friend class T5Draft;
    friend class T5Loader;
    void checkDevice(ExecContext& context) const;
    void checkSlots(std::span<const DecodeSlot> slots) const;

    T5Config m_config;
    Tensor m_embedding;           ///< [vocabulary, hidden]
    std::optional<Linear> m_head; ///< none: tied
    T5Stack m_encoder, m_decoder;
    Device m_device{};
    std::shared_ptr<T5MemoryPool> m_pool;
};

/// Memory that loading and running `checkpoint` takes on a device, in bytes: weights as they will
/// be held plus the caches of a text and a source of `positions` each.
std::int64_t estimateT5Bytes(const Checkpoint& checkpoint, std::int64_t positions);

} // namespace lathe
