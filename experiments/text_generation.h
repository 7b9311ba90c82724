// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "engine/decode/encoder.h"
#include "engine/decode/generate.h"
#include "experiments/study.h"

#include <string>
#include <vector>

namespace lathe {

/// A text as the ids that a model continues: the beginning-of-text token, when the vocabulary has
/// one, then the text. @throws InputError when nothing is left to continue.
std::vector<TokenId> promptIds(const Tokenizer& tokenizer, const std::string& prompt);

/// A text as the ids that an encoder reads: the text, then its end token.
/// @throws InputError for a text without ids or with more than the encoder takes.
std::vector<TokenId>
sourceIds(const Tokenizer& tokenizer, const Encoder& encoder, const std::string& text);

/// What a model wrote.
struct Continuation {
    std::string text;                     ///< of the new tokens, whole code points only
    std::vector<TokenId> ids;             ///< the new tokens
    std::vector<double> stepMilliseconds; ///< of each; the first includes reading the prompt
};

struct ContinuationRequest {
    std::string modelName;
    std::vector<TokenId> prompt;
    GenerateOptions options{};
    std::uint64_t seed = 1;
    bool live = false; ///< emit every token as it is made
};

/// Continues a prompt and turns the new ids into text.
Continuation continueText(
    StudyContext& context, const Decoder& model, const Tokenizer& tokenizer,
    const ContinuationRequest& request);

/// XXH3-128 of ids: equal runs have equal ones.
std::string hashIds(std::span<const TokenId> ids);

} // namespace lathe
