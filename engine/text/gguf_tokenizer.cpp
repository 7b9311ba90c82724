// SPDX-License-Identifier: Apache-2.0
#include "engine/text/gguf_tokenizer.h"

#include "engine/core/error.h"
#include "engine/text/byte_level_bpe.h"
#include "engine/text/spm_tokenizer.h"
#include "engine/text/utf8.h"

#include <cmath>

namespace lathe {

namespace {

/// Keys under tokenizer.ggml.
std::string vocabularyKey(std::string_view name) { return "tokenizer.ggml." + std::string(name); }

const std::vector<std::string>& readPieces(const GgufFile& file) {
    const auto* pieces = file.texts(vocabularyKey("tokens"));
    if (pieces == nullptr || pieces->empty()) {
        throw FormatError(file.name() + ": key 'tokenizer.ggml.tokens' is missing or empty");
    }
    return *pieces;
}

void checkCount(
    const GgufFile& file, std::string_view name, std::size_t count, std::size_t pieces) {
    if (count != pieces) {
        throw FormatError(
            file.name() + ": key 'tokenizer.ggml." + std::string(name) + "' has " +
            std::to_string(count) + " elements for " + std::to_string(pieces) + " pieces");
    }
}

std::vector<PieceKind> readKinds(const GgufFile& file, std::size_t pieces) {
    const auto* types = file.integers(vocabularyKey("token_type"));
    if (types == nullptr) {
        return std::vector<PieceKind>(pieces, PieceKind::Normal);
    }
    checkCount(file, "token_type", types->size(), pieces);
    std::vector<PieceKind> kinds;
    for (const std::int64_t type : *types) {
        if (type < 1 || type > 6) {
            throw FormatError(
                file.name() + ": key 'tokenizer.ggml.token_type' holds " + std::to_string(type) +
                ", kinds are 1 to 6");
        }
        kinds.push_back(static_cast<PieceKind>(type - 1));
    }
    return kinds;
}

std::optional<TokenId> readId(const GgufFile& file, std::string_view name, std::size_t pieces) {
    const std::string key = vocabularyKey(name);
    const auto id = file.integer(key);
    // Some writers store -1 for "none", as a signed or as an unsigned number.
    if (!id || *id == -1 || *id == 0xFFFFFFFF) {
        return std::nullopt;
    }
    if (*id < 0 || *id >= static_cast<std::int64_t>(pieces)) {
        throw FormatError(
            file.name() + ": key '" + key + "' is " + std::to_string(*id) +
            ", outside the vocabulary of " + std::to_string(pieces) + " pieces");
    }
    return static_cast<TokenId>(*id);
}

/// An id that is left out of the file when it is the usual one.
std::optional<TokenId>
readIdOr(const GgufFile& file, std::string_view name, std::size_t pieces, TokenId usual) {
    if (file.keys().contains(vocabularyKey(name))) {
        return readId(file, name, pieces);
    }
    return static_cast<std::size_t>(usual) < pieces ? std::optional(usual) : std::nullopt;
}

/// Leaves the mark only where it goes in front of a text.
std::optional<TokenId> bosIfAdded(const GgufFile& file, std::optional<TokenId> bos, bool usual) {
    const bool added = file.integer(vocabularyKey("add_bos_token")).value_or(usual ? 1 : 0) != 0;
    return added ? bos : std::nullopt;
}

/// Ids that end a turn or a message end a text too.
std::vector<TokenId> readEnds(const GgufFile& file, std::size_t pieces) {
    std::vector<TokenId> ends;
    for (const char* name : {"eot_token_id", "eom_token_id"}) {
        if (const auto id = readId(file, name, pieces)) {
            ends.push_back(*id);
        }
    }
    return ends;
}

std::shared_ptr<const Tokenizer> makeSpm(const GgufFile& file) {
    SpmModel model;
    model.what = file.name();
    model.pieces = readPieces(file);
    const std::size_t count = model.pieces.size();
    const auto* scores = file.numbers(vocabularyKey("scores"));
    if (scores == nullptr) {
        throw FormatError(file.name() + ": key 'tokenizer.ggml.scores' is missing");
    }
    checkCount(file, "scores", scores->size(), count);
    for (const double score : *scores) {
        if (std::isnan(score)) {
            throw FormatError(
                file.name() + ": key 'tokenizer.ggml.scores' holds a value that is not a number");
        }
    }
    model.scores = *scores;
    model.kinds = readKinds(file, count);
    model.addSpacePrefix = file.integer(vocabularyKey("add_space_prefix")).value_or(1) != 0;
    model.bos = bosIfAdded(file, readIdOr(file, "bos_token_id", count, 1), true);
    model.ends = readEnds(file, count);
    model.eos = readIdOr(file, "eos_token_id", count, 2);
    model.unknown = readIdOr(file, "unknown_token_id", count, 0);
    return makeSpmTokenizer(std::move(model));
}

std::shared_ptr<const Tokenizer> makeBpe(const GgufFile& file) {
    ByteLevelBpeModel model;
    model.what = file.name();
    model.pieces = readPieces(file);
    const std::size_t count = model.pieces.size();
    model.kinds = readKinds(file, count);
    const auto* merges = file.texts(vocabularyKey("merges"));
    if (merges == nullptr) {
        throw FormatError(file.name() + ": key 'tokenizer.ggml.merges' is missing");
    }
    for (const std::string& merge : *merges) {
        // A piece may begin with the space of older vocabularies, so the search starts behind it.
        const std::size_t space = merge.find(' ', 1);
        if (space == std::string::npos) {
            throw FormatError(
                file.name() + ": the merge '" + printable(merge) + "' is no pair of pieces");
        }
        model.merges.emplace_back(merge.substr(0, space), merge.substr(space + 1));
    }
    const std::string* pre = file.text(vocabularyKey("pre"));
    const std::string name = pre != nullptr ? *pre : "default";
    try {
        model.preTokenizer = preTokenizerByName(name);
    } catch (Error& error) {
        error.addContext(file.name());
        throw;
    }
    const bool isLlama3 = name == "llama-bpe" || name == "llama3" || name == "llama-v3";
    model.ignoreMerges = isLlama3;
    model.bos = bosIfAdded(file, readId(file, "bos_token_id", count), isLlama3);
    model.ends = readEnds(file, count);
    model.eos = readId(file, "eos_token_id", count);
    return makeByteLevelBpe(std::move(model));
}

} // namespace

std::shared_ptr<const Tokenizer> loadGgufTokenizer(const GgufFile& file) {
    const std::string* type = file.text(vocabularyKey("model"));
    if (type == nullptr || *type == "none" || *type == "no_vocab") {
        return nullptr;
    }
    if (*type == "llama") {
        return makeSpm(file);
    }
    if (*type == "gpt2") {
        return makeBpe(file);
    }
    throw Unsupported(
        file.name() + ": vocabularies of type '" + printable(*type) +
        "' cannot be read; llama (SentencePiece) and gpt2 (byte-level BPE) can");
}

} // namespace lathe
