// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "engine/core/json.h"
#include "engine/text/byte_level_bpe.h"

namespace lathe {

/// What other files of a model folder say of the vocabulary.
struct SpecialPieces {
    std::vector<std::string> control; ///< pieces that are never text
    std::string bosPiece, eosPiece;   ///< empty: not named
    std::optional<TokenId> bos{}, eos{};
    std::vector<TokenId> ends{};  ///< every id that ends a text
    std::optional<bool> addBos{}; ///< does the mark go in front of a text? none: as is usual
    std::string tokenizerClass{}; ///< empty: not named
    bool addPrefixSpace = false;  ///< of vocab.json and merges.txt
    Json addedTokens =
        Json::array(); ///< of vocab.json and merges.txt, as tokenizer.json lists them
};

/// Is it a vocabulary that was made from a SentencePiece model? Such a folder keeps the model
/// itself.
bool isFromSentencePiece(const Json& tokenizerJson);

/// The byte-level BPE of a tokenizer.json. Text is never read as a special token; added tokens that
/// are not special are found in text before all else.
/// @throws FormatError naming the field, Unsupported naming the model, normalizer or pre-tokenizer.
std::shared_ptr<const Tokenizer>
makeTokenizerFromJson(const Json& tokenizerJson, const SpecialPieces& special);

/// The byte-level BPE of vocab.json and merges.txt, cut as the tokenizer class says: GPT-2 (or
/// none) and Qwen2 are known. @throws FormatError, Unsupported naming the class.
std::shared_ptr<const Tokenizer>
makeTokenizerFromMerges(const Json& vocab, std::string_view merges, const SpecialPieces& special);

} // namespace lathe
