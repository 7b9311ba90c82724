// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "engine/text/vocabulary.h"

namespace lathe {

/// A SentencePiece BPE vocabulary without its model file: pieces, scores and kinds, as GGUF files
/// keep it. The normalizer is not among them: spaces are kept as they are.
struct SpmModel {
    std::string what;                ///< names the source in messages
    std::vector<std::string> pieces; ///< by id
    std::vector<double> scores;      ///< as many; the higher merges first
    std::vector<PieceKind> kinds;    ///< as many
    bool addSpacePrefix = true;
    std::optional<TokenId> bos{}; ///< only where it goes in front of a text
    std::optional<TokenId> eos{}, unknown{};
    std::vector<TokenId> ends{}; ///< further ids that end a text
};

std::shared_ptr<const Tokenizer> makeSpmTokenizer(SpmModel model);

} // namespace lathe
