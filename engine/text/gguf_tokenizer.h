// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "engine/io/gguf.h"
#include "engine/text/tokenizer.h"

namespace lathe {

/// The vocabulary inside a GGUF file (tokenizer.ggml.*): "llama" (SentencePiece BPE by scores) or
/// "gpt2" (byte-level BPE by merges). Null when the file has none.
/// @throws FormatError, Unsupported naming the vocabulary type or pre-tokenizer.
std::shared_ptr<const Tokenizer> loadGgufTokenizer(const GgufFile& file);

} // namespace lathe
