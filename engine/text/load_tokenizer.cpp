// SPDX-License-Identifier: Apache-2.0
#include "engine/core/error.h"
#include "engine/io/mapped_file.h"
#include "engine/text/sentencepiece_tokenizer.h"
#include "engine/text/tokenizer.h"
#include "engine/text/tokenizer_json.h"

#include <array>

namespace lathe {

namespace {

constexpr std::size_t kMaxVocabularyBytes = std::size_t{256} << 20U;
constexpr std::size_t kMaxConfigBytes = std::size_t{16} << 20U;

/// A JSON object of the folder; an empty one where the file is absent.
Json readIfThere(const std::filesystem::path& folder, const char* name) {
    if (!pathExists(folder / name)) {
        return Json::object();
    }
    Json value = parseJson(readTextFile(folder / name, kMaxConfigBytes), name);
    if (!value.is_object()) {
        throw FormatError(std::string(name) + ": is not a JSON object");
    }
    return value;
}

/// A mark is written as text, or as an object with the text as `content`.
std::string markAt(const Json& config, const std::string& key) {
    const auto found = config.find(key);
    if (found == config.end()) {
        return {};
    }
    if (found->is_string()) {
        return found->get<std::string>();
    }
    if (found->is_object() && found->contains("content") && (*found)["content"].is_string()) {
        return (*found)["content"].get<std::string>();
    }
    return {};
}

/// An id, or the first of a list of ids.
std::optional<TokenId> idAt(const Json& config, const std::string& key) {
    const auto found = config.find(key);
    if (found == config.end()) {
        return std::nullopt;
    }
    const Json& value = found->is_array() && !found->empty() ? (*found)[0] : *found;
    if (!value.is_number_integer()) {
        return std::nullopt;
    }
    const auto id = value.get<std::int64_t>();
    return id >= 0 && id <= INT32_MAX ? std::optional(static_cast<TokenId>(id)) : std::nullopt;
}

/// What the folder's other files say of the marks, the tokenizer's own files first.
SpecialPieces readSpecialPieces(const std::filesystem::path& folder) {
    SpecialPieces special;
    for (const char* name : {"tokenizer_config.json", "special_tokens_map.json"}) {
        const Json config = readIfThere(folder, name);
        for (const char* key :
             {"bos_token", "eos_token", "unk_token", "pad_token", "cls_token", "sep_token",
              "mask_token"}) {
            if (std::string mark = markAt(config, key); !mark.empty()) {
                special.control.push_back(std::move(mark));
            }
        }
        if (special.bosPiece.empty()) {
            special.bosPiece = markAt(config, "bos_token");
        }
        if (special.eosPiece.empty()) {
            special.eosPiece = markAt(config, "eos_token");
        }
    }
    for (const char* name : {"config.json", "generation_config.json"}) {
        const Json config = readIfThere(folder, name);
        if (!special.bos) {
            special.bos = idAt(config, "bos_token_id");
        }
        if (!special.eos) {
            special.eos = idAt(config, "eos_token_id");
        }
    }
    return special;
}

std::shared_ptr<const Tokenizer> loadSentencePiece(const std::filesystem::path& folder) {
    for (const char* name : {"tokenizer.model", "spiece.model"}) {
        if (pathExists(folder / name)) {
            return makeSentencePieceTokenizer(
                readTextFile(folder / name, kMaxVocabularyBytes), name);
        }
    }
    return nullptr;
}

} // namespace

std::shared_ptr<const Tokenizer> loadTokenizer(const std::filesystem::path& folder) {
    if (pathExists(folder / "tokenizer.json")) {
        const Json json = parseJson(
            readTextFile(folder / "tokenizer.json", kMaxVocabularyBytes), "tokenizer.json");
        // A tokenizer.json that was converted from the SentencePiece model beside it says the same
        // in another way; the original is exact.
        if (isFromSentencePiece(json)) {
            if (auto original = loadSentencePiece(folder)) {
                return original;
            }
        }
        return makeTokenizerFromJson(json, readSpecialPieces(folder));
    }
    if (auto original = loadSentencePiece(folder)) {
        return original;
    }
    if (pathExists(folder / "vocab.json") && pathExists(folder / "merges.txt")) {
        const Json vocab =
            parseJson(readTextFile(folder / "vocab.json", kMaxVocabularyBytes), "vocab.json");
        const std::string merges = readTextFile(folder / "merges.txt", kMaxVocabularyBytes);
        return makeTokenizerFromMerges(vocab, merges, readSpecialPieces(folder));
    }
    return nullptr;
}

} // namespace lathe
