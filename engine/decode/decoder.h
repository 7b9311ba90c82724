// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "engine/decode/kv_cache.h"
#include "engine/text/tokenizer.h"
#include "kernels/core/exec_context.h"

#include <memory>
#include <span>

namespace lathe {

struct EncoderOutput;

/// One sequence being decoded: owns its caches. Cheap to truncate, never shared.
class DecoderState {
public:
    virtual ~DecoderState() = default;
    virtual KvCache& cache() = 0;
    std::int64_t length() { return cache().length(); }
    void truncate(std::int64_t length) { cache().truncate(length); }
};

/// Fresh tokens for one sequence.
struct DecodeSlot {
    DecoderState& state;
    std::span<const TokenId> tokens;
};

/// A model that continues text. Const and shareable; everything that changes is in the state.
class Decoder {
public:
    virtual ~Decoder() = default;
    virtual std::int64_t vocabularySize() const = 0;
    virtual std::int64_t maxPositions() const = 0;
    /// @param capacity positions that the state can hold, at most maxPositions().
    /// @param encoder  null for decoder-only models.
    virtual std::unique_ptr<DecoderState> begin(
        ExecContext& context, std::int64_t capacity,
        const EncoderOutput* encoder = nullptr) const = 0;
    /// Feeds 1..n fresh tokens to each slot and commits them. Returns logits [sum of n, vocabulary]
    /// F32 on the context's device, valid until the next forward with this context; the first
    /// slot's state keeps them, so it must live as long.
    /// @throws InputError for an empty slot, an id out of range or a full cache (nothing
    /// committed).
    virtual ConstView forward(ExecContext& context, std::span<const DecodeSlot> slots) const = 0;
};

} // namespace lathe
