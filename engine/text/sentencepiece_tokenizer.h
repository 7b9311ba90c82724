// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "engine/text/tokenizer.h"

namespace lathe {

/// What other files of a model folder say of a SentencePiece vocabulary.
struct SentencePieceMarks {
    bool addBos = true;          ///< does the mark go in front of a text?
    std::vector<TokenId> ends{}; ///< further ids that end a text
};

/// A SentencePiece `.model` vocabulary, encoded by the library.
/// @param bytes the file's content; `what` names it in messages.
/// @throws FormatError, Unsupported.
std::shared_ptr<const Tokenizer> makeSentencePieceTokenizer(
    std::string_view bytes, const std::string& what, SentencePieceMarks marks = {});

} // namespace lathe
