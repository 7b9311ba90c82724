// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "engine/core/json.h"
#include "engine/io/gguf.h"

namespace lathe {

/// The config.json that a GGUF file stands for, with Hugging Face keys. Two things have no equal
/// there:
///  - `lathe_rope_factors`: the content of rope_freqs.weight, headDim / 2 divisors of the rotary
///    frequencies. LLaMA-3's scaling comes as such a list, so `rope_scaling` is absent then.
///  - `vocab_size` counts the rows of the embedding where the file does not say.
/// @throws FormatError naming the missing or wrong key, Unsupported naming the architecture or
///         variant, or both rope factors and rope scaling.
Json ggufConfig(const GgufFile& file);

/// Number of attention heads that rows of q (or, with `keyValue`, of k) belong to.
std::int64_t ggufHeadCount(const GgufFile& file, bool keyValue);

/// general.architecture. @throws FormatError when it is absent.
std::string ggufArchitecture(const GgufFile& file);

} // namespace lathe
