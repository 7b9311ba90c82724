// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "engine/text/tokenizer.h"
#include "kernels/core/exec_context.h"
#include "kernels/core/tensor.h"

#include <cstdint>
#include <span>

namespace lathe {

/// What an encoder made of a source; a decoder's `begin` reads it and does not keep it. Models with
/// the same encoder may share one.
struct EncoderOutput {
    Tensor hidden; ///< [source tokens, hidden] F32 on the model's device
};

/// The half of an encoder-decoder that reads. Const and shareable.
class Encoder {
public:
    virtual ~Encoder() = default;
    virtual std::int64_t maxSourceTokens() const = 0;
    /// What the decoder's text begins with.
    virtual TokenId startToken() const = 0;
    /// What ends a source, and the decoder's text.
    virtual TokenId endToken() const = 0;
    /// @param source with its end token.
    /// @throws InputError when it is empty, too long or holds an id out of range.
    virtual EncoderOutput encode(ExecContext& context, std::span<const TokenId> source) const = 0;
};

} // namespace lathe
