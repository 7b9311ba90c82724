// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "engine/decode/decoder.h"

#include <cstdint>
#include <span>
#include <vector>

/// What the forward passes of all decoders do with their slots.
namespace lathe {

/// What a batch that begins with a sequence needs from one forward to the next: part of its state,
/// so that a step allocates nothing.
class ForwardBuffers {
public:
    /// [rows, vocabulary] F32; grows, never shrinks.
    TensorView logits(std::int64_t rows, std::int64_t vocabulary, Device device);
    std::vector<TokenId>& ids() { return m_ids; }

private:
    Tensor m_logits;
    std::vector<TokenId> m_ids;
};

/// @throws InputError for a slot without tokens, an id out of range or a cache that is too full.
void checkTokens(const DecodeSlot& slot, std::int64_t vocabularySize);
/// @throws InputError when there are no slots or a state is in two.
void checkStates(std::span<const DecodeSlot> slots);
/// The fresh tokens of all slots, one after another.
void gatherIds(std::span<const DecodeSlot> slots, std::vector<TokenId>& ids);
/// Host integers where the kernels can read them: as they are on the CPU, else copied to scratch.
ConstView onDevice(ExecContext& context, std::span<const std::int32_t> values);

} // namespace lathe
