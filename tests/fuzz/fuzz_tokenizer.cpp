// SPDX-License-Identifier: Apache-2.0
#include "engine/core/error.h"
#include "engine/text/sentencepiece_tokenizer.h"
#include "engine/text/tokenizer_json.h"
#include "engine/text/utf8.h"
#include "tests/fuzz/fuzz_input.h"

#include <algorithm>

using namespace lathe;

namespace {

/// The last bytes of the input are a text of its own.
constexpr std::size_t kTextBytes = 32;
/// Ids that are printed one by one.
constexpr std::int64_t kPrinted = 64;

std::shared_ptr<const Tokenizer> load(std::string_view file) {
    if (file.empty()) {
        return nullptr;
    }
    const char kind = file.front();
    file.remove_prefix(1);
    if (kind == 'm') {
        return makeSentencePieceTokenizer(file, "input.model");
    }
    if (kind == 'v') {
        const std::size_t cut = std::min(file.find('\0'), file.size());
        const std::string_view merges = file.substr(std::min(cut + 1, file.size()));
        return makeTokenizerFromMerges(parseJson(file.substr(0, cut), "vocab.json"), merges, {});
    }
    SpecialPieces special;
    special.eosPiece = "<|end|>";
    special.control = {"<|end|>"};
    const Json json = parseJson(file, "tokenizer.json");
    isFromSentencePiece(json);
    return makeTokenizerFromJson(json, special);
}

/// The parts of a stream add up to the text of all ids.
void checkStream(const Tokenizer& tokenizer, const std::vector<TokenId>& ids) {
    IncrementalDetokenizer stream(tokenizer);
    std::string text;
    for (const TokenId id : ids) {
        text += stream.append(id);
    }
    text += stream.finish();
    if (text != replaceInvalidUtf8(tokenizer.decode(ids))) {
        fuzz::fail();
    }
}

void use(const Tokenizer& tokenizer, std::string_view text) {
    for (TokenId id = 0; id < std::min(tokenizer.size(), kPrinted); ++id) {
        tokenizer.piece(id);
        tokenizer.decode(std::span(&id, 1));
    }
    for (const std::string_view each : {fuzz::kMixedText, text}) {
        const std::vector<TokenId> ids = tokenizer.encode(each);
        const bool inside = std::all_of(
            ids.begin(), ids.end(), [&](TokenId id) { return id >= 0 && id < tokenizer.size(); });
        if (!inside) {
            fuzz::fail();
        }
        checkStream(tokenizer, ids);
    }
}

} // namespace

/// The first byte says what the rest is: 'm' a SentencePiece model, 'v' a vocab.json, a zero and a
/// merges.txt, else a tokenizer.json.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string_view input = fuzz::textOf(data, size);
    try {
        if (const auto tokenizer = load(input)) {
            use(*tokenizer, input.substr(size - std::min(size, kTextBytes)));
        }
    } catch (const Error&) {
        return 0;
    }
    return 0;
}
