// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>

namespace lathe {

/// What of a SentencePiece model file the library does not tell.
struct SentencePieceModelInfo {
    bool addDummyPrefix = true;
    bool removeExtraWhitespace = true;
};

/// Reads the file's own structure and checks the parts that the library uses without checking: the
/// offsets of the compiled normalization table, and that scores are numbers.
/// @param what names the file in messages. @throws FormatError, Unsupported.
SentencePieceModelInfo inspectSentencePieceModel(std::string_view bytes, const std::string& what);

} // namespace lathe
