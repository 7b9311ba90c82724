// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "engine/core/json.h"
#include "engine/text/byte_level_bpe.h"

namespace lathe {

/// Ids of the marks, where other files of a model folder name them.
struct SpecialPieces {
    std::vector<std::string> control; ///< pieces that are never text
    std::string bosPiece, eosPiece;   ///< empty: not named
    std::optional<TokenId> bos{}, eos{};
};

/// Is it a vocabulary that was made from a SentencePiece model? Such a folder keeps the model
/// itself.
bool isFromSentencePiece(const Json& tokenizerJson);

/// The byte-level BPE of a tokenizer.json. Text is never read as a special token; added tokens that
/// are not special are found in text before all else.
/// @throws FormatError naming the field, Unsupported naming the model, normalizer or pre-tokenizer.
std::shared_ptr<const Tokenizer>
makeTokenizerFromJson(const Json& tokenizerJson, const SpecialPieces& special);

/// The byte-level BPE of vocab.json and merges.txt, cut as GPT-2 does.
std::shared_ptr<const Tokenizer>
makeTokenizerFromMerges(const Json& vocab, std::string_view merges, const SpecialPieces& special);

} // namespace lathe
