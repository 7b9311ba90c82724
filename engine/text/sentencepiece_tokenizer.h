// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "engine/text/tokenizer.h"

namespace lathe {

/// A SentencePiece `.model` vocabulary, encoded by the library.
/// @param bytes the file's content; `what` names it in messages.
/// @throws FormatError, Unsupported.
std::shared_ptr<const Tokenizer>
makeSentencePieceTokenizer(std::string_view bytes, const std::string& what);

} // namespace lathe
