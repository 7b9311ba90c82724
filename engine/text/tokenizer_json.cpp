// SPDX-License-Identifier: Apache-2.0
#include "engine/text/tokenizer_json.h"

#include "engine/core/error.h"
#include "engine/text/tokenizer_json_steps.h"
#include "engine/text/utf8.h"

#include <algorithm>

namespace lathe {

namespace {

const std::string kFile = "tokenizer.json";

TokenId
readId(const Json& value, std::size_t limit, const std::string& piece, const std::string& what) {
    if (!value.is_number_unsigned() || value.get<std::uint64_t>() >= limit) {
        throw FormatError(
            what + ": piece '" + printable(piece) + "' has the id " + printable(dumpJson(value)) +
            ", which is no number below " + std::to_string(limit));
    }
    return static_cast<TokenId>(value.get<std::uint64_t>());
}

/// Ids may leave holes, but a file of some bytes must not make a vocabulary of gigabytes.
std::size_t idLimit(std::size_t pieces) { return 2 * pieces + 65536; }

void setPiece(ByteLevelBpeModel& model, TokenId id, const std::string& piece, PieceKind kind) {
    const auto index = static_cast<std::size_t>(id);
    if (index >= model.pieces.size()) {
        model.pieces.resize(index + 1);
        model.kinds.resize(index + 1, PieceKind::Unused);
    }
    if (!model.pieces[index].empty() && model.pieces[index] != piece) {
        throw FormatError(
            model.what + ": pieces '" + printable(model.pieces[index]) + "' and '" +
            printable(piece) + "' have the same id " + std::to_string(id));
    }
    model.pieces[index] = piece;
    model.kinds[index] = kind;
}

void readVocab(const Json& vocab, ByteLevelBpeModel& model) {
    if (!vocab.is_object() || vocab.empty()) {
        throw FormatError(model.what + ": the vocabulary is not an object with pieces");
    }
    for (const auto& [piece, id] : vocab.items()) {
        setPiece(
            model, readId(id, idLimit(vocab.size()), piece, model.what), piece, PieceKind::Normal);
    }
}

std::pair<std::string, std::string> splitMerge(std::string_view merge, const std::string& what) {
    const std::size_t space = merge.find(' ');
    if (space == std::string_view::npos || space == 0 || space + 1 == merge.size() ||
        merge.find(' ', space + 1) != std::string_view::npos) {
        throw FormatError(what + ": the merge '" + printable(merge) + "' is no pair of pieces");
    }
    return {std::string(merge.substr(0, space)), std::string(merge.substr(space + 1))};
}

void readMerges(const Json& merges, ByteLevelBpeModel& model) {
    if (!merges.is_array()) {
        throw FormatError(model.what + ": model.merges is not a list");
    }
    for (const Json& merge : merges) {
        if (merge.is_string()) {
            model.merges.push_back(splitMerge(merge.get_ref<const std::string&>(), model.what));
        } else if (
            merge.is_array() && merge.size() == 2 && merge[0].is_string() && merge[1].is_string()) {
            model.merges.emplace_back(merge[0].get<std::string>(), merge[1].get<std::string>());
        } else {
            throw FormatError(
                model.what + ": the merge " + printable(dumpJson(merge)) + " is no pair of pieces");
        }
    }
}

bool flag(const Json& object, const char* key) {
    const auto found = object.find(key);
    return found != object.end() && found->is_boolean() && found->get<bool>();
}

/// Does the post-processor put this piece in front of a single text?
bool templateBegins(const Json& processor, const std::string& piece) {
    if (!processor.is_object()) {
        return false;
    }
    const auto steps = processor.find("processors");
    if (steps != processor.end() && steps->is_array()) {
        return std::any_of(steps->begin(), steps->end(), [&](const Json& step) {
            // Sequences do not nest.
            return step.is_object() && !step.contains("processors") && templateBegins(step, piece);
        });
    }
    const auto single = processor.find("single");
    if (single == processor.end() || !single->is_array() || single->empty()) {
        return false;
    }
    const Json& first = single->front();
    const auto special = first.is_object() ? first.find("SpecialToken") : first.end();
    return special != first.end() && special->is_object() && special->value("id", Json()) == piece;
}

/// Tokenizers of these classes put the mark in front where nothing else is said.
bool classAddsBos(const std::string& tokenizerClass) {
    return tokenizerClass == "LlamaTokenizer" || tokenizerClass == "LlamaTokenizerFast" ||
           tokenizerClass == "CodeLlamaTokenizer" || tokenizerClass == "CodeLlamaTokenizerFast";
}

/// Leaves the beginning mark only where it goes in front of a text.
void decideBos(const SpecialPieces& special, const Json& processor, ByteLevelBpeModel& model) {
    if (!model.bos) {
        return;
    }
    const std::string& piece = model.pieces[static_cast<std::size_t>(*model.bos)];
    if (!special.addBos.value_or(
            templateBegins(processor, piece) || classAddsBos(special.tokenizerClass))) {
        model.bos = std::nullopt;
    }
}

void readAddedTokens(const Json& tokens, ByteLevelBpeModel& model) {
    if (!tokens.is_array()) {
        throw FormatError(model.what + ": added_tokens is not a list");
    }
    const std::size_t limit = idLimit(model.pieces.size() + tokens.size());
    for (const Json& token : tokens) {
        if (!token.is_object() || !token.contains("id") || !token.contains("content") ||
            !token["content"].is_string()) {
            throw FormatError(model.what + ": an added token lacks id or content");
        }
        const auto content = token["content"].get<std::string>();
        const bool special = flag(token, "special");
        for (const char* option : {"lstrip", "rstrip", "single_word"}) {
            if (!special && flag(token, option)) {
                throw Unsupported(
                    model.what + ": added token '" + printable(content) + "' asks for " + option +
                    ", which is not supported");
            }
        }
        const TokenId id = readId(token["id"], limit, content, model.what);
        setPiece(model, id, content, special ? PieceKind::Control : PieceKind::UserDefined);
    }
}

std::optional<TokenId> findPiece(const ByteLevelBpeModel& model, const std::string& piece) {
    const auto found = std::find(model.pieces.begin(), model.pieces.end(), piece);
    if (piece.empty() || found == model.pieces.end()) {
        return std::nullopt;
    }
    return static_cast<TokenId>(found - model.pieces.begin());
}

void applySpecial(const SpecialPieces& special, ByteLevelBpeModel& model) {
    for (const std::string& piece : special.control) {
        if (const auto id = findPiece(model, piece)) {
            model.kinds[static_cast<std::size_t>(*id)] = PieceKind::Control;
        }
    }
    const auto within = [&](std::optional<TokenId> id) {
        return id && *id >= 0 && static_cast<std::size_t>(*id) < model.pieces.size() ? id
                                                                                     : std::nullopt;
    };
    model.bos = findPiece(model, special.bosPiece);
    model.eos = findPiece(model, special.eosPiece);
    model.bos = model.bos ? model.bos : within(special.bos);
    model.eos = model.eos ? model.eos : within(special.eos);
    model.ends = special.ends;
}

/// Settings of the BPE model that change ids must be off.
void refuseBpeVariants(const Json& bpe) {
    for (const char* key : {"continuing_subword_prefix", "end_of_word_suffix"}) {
        const auto found = bpe.find(key);
        if (found != bpe.end() && found->is_string() && !found->get<std::string>().empty()) {
            throw Unsupported(kFile + ": BPE with " + key + " is not supported");
        }
    }
    const auto dropout = bpe.find("dropout");
    if (dropout != bpe.end() && dropout->is_number() && dropout->get<double>() != 0.0) {
        throw Unsupported(kFile + ": BPE with dropout is not supported");
    }
}

const Json& modelOf(const Json& tokenizerJson) {
    const auto found = tokenizerJson.find("model");
    if (!tokenizerJson.is_object() || found == tokenizerJson.end() || !found->is_object()) {
        throw FormatError(kFile + ": has no model");
    }
    return *found;
}

/// Files of older versions leave the type out of BPE models.
std::string modelType(const Json& model) {
    const auto type = model.find("type");
    if (type != model.end() && type->is_string()) {
        return type->get<std::string>();
    }
    return model.contains("merges") ? "BPE" : "(none)";
}

} // namespace

bool isFromSentencePiece(const Json& tokenizerJson) {
    const Json& model = modelOf(tokenizerJson);
    return modelType(model) == "Unigram" || flag(model, "byte_fallback");
}

std::shared_ptr<const Tokenizer>
makeTokenizerFromJson(const Json& tokenizerJson, const SpecialPieces& special) {
    const Json& bpe = modelOf(tokenizerJson);
    if (modelType(bpe) != "BPE" || flag(bpe, "byte_fallback")) {
        throw Unsupported(
            kFile + ": the model type '" + printable(modelType(bpe)) +
            (flag(bpe, "byte_fallback") ? "' with byte_fallback" : "'") +
            " cannot be read; byte-level BPE can, and SentencePiece from tokenizer.model");
    }
    refuseBpeVariants(bpe);
    ByteLevelBpeModel model;
    model.what = kFile;
    readVocab(bpe.value("vocab", Json()), model);
    readMerges(bpe.value("merges", Json()), model);
    model.ignoreMerges = flag(bpe, "ignore_merges");
    if (const auto unknown = bpe.find("unk_token"); unknown != bpe.end() && unknown->is_string()) {
        model.unknown = findPiece(model, unknown->get<std::string>());
    }
    model.form = readNormalizer(tokenizerJson.value("normalizer", Json()));
    model.preTokenizer = readPreTokenizer(tokenizerJson.value("pre_tokenizer", Json()));
    if (const auto added = tokenizerJson.find("added_tokens"); added != tokenizerJson.end()) {
        readAddedTokens(*added, model);
    }
    applySpecial(special, model);
    decideBos(special, tokenizerJson.value("post_processor", Json()), model);
    return makeByteLevelBpe(std::move(model));
}

namespace {

/// The cuts and the normal form of the classes that keep vocab.json and merges.txt.
void applyClass(const SpecialPieces& special, ByteLevelBpeModel& model) {
    const std::string& name = special.tokenizerClass;
    if (special.addPrefixSpace) {
        model.preTokenizer.addSpacePrefix();
    }
    if (name.empty() || name == "GPT2Tokenizer" || name == "GPT2TokenizerFast") {
        model.preTokenizer.addSplit(
            Regex(gpt2Pattern(), "GPT-2", Regex::Origin::Own), PreTokenizer::Keep::All);
    } else if (name == "Qwen2Tokenizer" || name == "Qwen2TokenizerFast") {
        model.form = UnicodeForm::Nfc;
        model.preTokenizer = preTokenizerByName("qwen2");
    } else {
        throw Unsupported(
            "tokenizer_config.json: the class '" + printable(name) +
            "' with vocab.json and merges.txt is not supported; GPT2Tokenizer and Qwen2Tokenizer "
            "are");
    }
}

} // namespace

std::shared_ptr<const Tokenizer>
makeTokenizerFromMerges(const Json& vocab, std::string_view merges, const SpecialPieces& special) {
    ByteLevelBpeModel model;
    model.what = "vocab.json";
    readVocab(vocab, model);
    bool first = true;
    while (!merges.empty()) {
        const std::size_t end = merges.find('\n');
        std::string_view line = merges.substr(0, end);
        merges.remove_prefix(end == std::string_view::npos ? merges.size() : end + 1);
        if (line.ends_with('\r')) {
            line.remove_suffix(1);
        }
        const bool isVersion = first && line.starts_with("#version");
        first = false;
        if (!line.empty() && !isVersion) {
            model.merges.push_back(splitMerge(line, "merges.txt"));
        }
    }
    applyClass(special, model);
    readAddedTokens(special.addedTokens, model);
    applySpecial(special, model);
    decideBos(special, Json(), model);
    return makeByteLevelBpe(std::move(model));
}

} // namespace lathe
