// SPDX-License-Identifier: Apache-2.0
#include "engine/core/error.h"
#include "engine/io/mapped_file.h"
#include "engine/text/sentencepiece_tokenizer.h"
#include "engine/text/tokenizer.h"
#include "engine/text/tokenizer_json.h"
#include "engine/text/utf8.h"

#include <charconv>

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

/// Every id under the key, which holds one or a list.
void appendIds(const Json& config, const std::string& key, std::vector<TokenId>& ids) {
    const auto found = config.find(key);
    if (found == config.end()) {
        return;
    }
    for (const Json& value : found->is_array() ? *found : Json::array({*found})) {
        if (const auto id = idAt(Json{{key, value}}, key)) {
            ids.push_back(*id);
        }
    }
}

/// The marks of a list of texts or objects.
void appendMarks(const Json& config, const std::string& key, std::vector<std::string>& marks) {
    const auto found = config.find(key);
    if (found == config.end() || !found->is_array()) {
        return;
    }
    for (const Json& value : *found) {
        if (std::string mark = markAt(Json{{key, value}}, key); !mark.empty()) {
            marks.push_back(std::move(mark));
        }
    }
}

std::optional<bool> flagAt(const Json& config, const std::string& key) {
    const auto found = config.find(key);
    return found != config.end() && found->is_boolean() ? std::optional(found->get<bool>())
                                                        : std::nullopt;
}

std::string textAt(const Json& config, const std::string& key) {
    const auto found = config.find(key);
    return found != config.end() && found->is_string() ? found->get<std::string>() : std::string();
}

/// Tokens beside vocab.json, listed as tokenizer.json does.
Json readAddedTokens(const std::filesystem::path& folder, const Json& tokenizerConfig) {
    Json tokens = Json::array();
    const Json added = readIfThere(folder, "added_tokens.json");
    for (const auto& [content, id] : added.items()) {
        tokens.push_back({{"id", id}, {"content", content}, {"special", false}});
    }
    // What this list says of a token is more exact, so it comes last.
    const auto listed = tokenizerConfig.find("added_tokens_decoder");
    if (listed == tokenizerConfig.end() || !listed->is_object()) {
        return tokens;
    }
    for (const auto& [text, token] : listed->items()) {
        std::uint32_t id = 0;
        const char* end = text.data() + text.size();
        const auto [stop, error] = std::from_chars(text.data(), end, id);
        if (error != std::errc{} || stop != end || !token.is_object()) {
            throw FormatError(
                "tokenizer_config.json: added_tokens_decoder has the entry '" + printable(text) +
                "', which is no id with an object");
        }
        Json entry = token;
        entry["id"] = id;
        tokens.push_back(std::move(entry));
    }
    return tokens;
}

/// The class that cuts the text; where none is named, the one that goes with the model.
std::string tokenizerClass(const std::filesystem::path& folder, const Json& tokenizerConfig) {
    std::string name = textAt(tokenizerConfig, "tokenizer_class");
    if (name.empty() && textAt(readIfThere(folder, "config.json"), "model_type") == "qwen2") {
        name = "Qwen2Tokenizer";
    }
    return name;
}

/// What the folder's other files say of the marks, the tokenizer's own files first.
SpecialPieces readSpecialPieces(const std::filesystem::path& folder) {
    SpecialPieces special;
    const Json own = readIfThere(folder, "tokenizer_config.json");
    special.addBos = flagAt(own, "add_bos_token");
    special.addPrefixSpace = flagAt(own, "add_prefix_space").value_or(false);
    special.tokenizerClass = tokenizerClass(folder, own);
    for (const char* name : {"tokenizer_config.json", "special_tokens_map.json"}) {
        const Json config = readIfThere(folder, name);
        for (const char* key :
             {"bos_token", "eos_token", "unk_token", "pad_token", "cls_token", "sep_token",
              "mask_token"}) {
            if (std::string mark = markAt(config, key); !mark.empty()) {
                special.control.push_back(std::move(mark));
            }
        }
        appendMarks(config, "additional_special_tokens", special.control);
        if (special.bosPiece.empty()) {
            special.bosPiece = markAt(config, "bos_token");
        }
        if (special.eosPiece.empty()) {
            special.eosPiece = markAt(config, "eos_token");
        }
    }
    for (const char* name : {"config.json", "generation_config.json"}) {
        const Json config = readIfThere(folder, name);
        appendIds(config, "eos_token_id", special.ends);
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
            SpecialPieces special = readSpecialPieces(folder);
            return makeSentencePieceTokenizer(
                readTextFile(folder / name, kMaxVocabularyBytes), name,
                {special.addBos.value_or(true), std::move(special.ends)});
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
        SpecialPieces special = readSpecialPieces(folder);
        special.addedTokens = readAddedTokens(folder, readIfThere(folder, "tokenizer_config.json"));
        return makeTokenizerFromMerges(vocab, merges, special);
    }
    return nullptr;
}

} // namespace lathe
