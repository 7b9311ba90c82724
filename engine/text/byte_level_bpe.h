// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "engine/text/bpe_merges.h"
#include "engine/text/normalize.h"
#include "engine/text/pre_tokenizer.h"
#include "engine/text/vocabulary.h"

#include <utility>

namespace lathe {

/// A byte-level BPE vocabulary as its files give it.
struct ByteLevelBpeModel {
    std::string what;                ///< names the source in messages
    std::vector<std::string> pieces; ///< by id; empty where an id is not used
    std::vector<PieceKind> kinds;    ///< as many
    std::vector<std::pair<std::string, std::string>> merges;
    bool ignoreMerges = false; ///< a word that is a piece is not merged up
    UnicodeForm form = UnicodeForm::AsIs;
    PreTokenizer preTokenizer;
    std::optional<TokenId> bos{}; ///< only where it goes in front of a text
    std::optional<TokenId> eos{}, unknown{};
    std::vector<TokenId> ends{}; ///< further ids that end a text
};

/// @throws FormatError when a merge makes or uses a piece that is not in the vocabulary, or a
///         user-defined piece is not well-formed UTF-8.
std::shared_ptr<const Tokenizer> makeByteLevelBpe(ByteLevelBpeModel model);

} // namespace lathe
