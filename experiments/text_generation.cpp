// SPDX-License-Identifier: Apache-2.0
#include "experiments/text_generation.h"

#include "engine/core/check.h"
#include "engine/core/hash.h"

namespace lathe {

std::vector<TokenId> promptIds(const Tokenizer& tokenizer, const std::string& prompt) {
    std::vector<TokenId> ids;
    if (tokenizer.bos()) {
        ids.push_back(*tokenizer.bos());
    }
    const std::vector<TokenId> text = tokenizer.encode(validUtf8(prompt));
    ids.insert(ids.end(), text.begin(), text.end());
    LATHE_CHECK(
        !ids.empty(), "the prompt is empty and the vocabulary has no beginning-of-text token; give "
                      "a text with --prompt");
    return ids;
}

std::vector<TokenId>
sourceIds(const Tokenizer& tokenizer, const Encoder& encoder, const std::string& text) {
    std::vector<TokenId> ids = tokenizer.encode(validUtf8(text));
    LATHE_CHECK(!ids.empty(), "the source is empty; give a text");
    ids.push_back(encoder.endToken());
    LATHE_CHECK(
        static_cast<std::int64_t>(ids.size()) <= encoder.maxSourceTokens(),
        "the source has " + std::to_string(ids.size()) + " tokens, the model reads at most " +
            std::to_string(encoder.maxSourceTokens()) + "; shorten it");
    return ids;
}

Continuation continueText(
    StudyContext& context, const Decoder& model, const Tokenizer& tokenizer,
    const ContinuationRequest& request) {
    Continuation result;
    Random random(request.seed);
    GenerateOptions options = request.options;
    options.ends = tokenizer.ends();
    // The prompt goes through first: a piece's spelling can hang on what stands before it.
    IncrementalDetokenizer detokenizer(tokenizer);
    for (const TokenId id : request.prompt) {
        detokenizer.append(id);
    }
    const auto onToken = [&](const GeneratedToken& token) {
        std::string text = detokenizer.append(token.id);
        result.text += text;
        result.ids.push_back(token.id);
        result.stepMilliseconds.push_back(token.microseconds / 1000.0);
        if (request.live) {
            context.run.emit(TokenDecoded{
                token.position, token.id, std::move(text), request.modelName,
                options.sampling.greedy ? "greedy" : "sampled", token.probability,
                token.microseconds});
        }
    };
    generate(
        context.run, context.exec, model, request.prompt, tokenizer.eos(), options, random,
        onToken);
    result.text += detokenizer.finish();
    return result;
}

std::string hashIds(std::span<const TokenId> ids) { return hashBytes(std::as_bytes(ids)); }

} // namespace lathe
