// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "engine/core/token_id.h"

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace lathe {

/// Text to ids and back. Immutable and shareable between threads.
class Tokenizer {
public:
    virtual ~Tokenizer() = default;

    /// Ids of the text alone: no beginning-of-text is added. Special tokens in the text are text.
    virtual std::vector<TokenId> encode(std::string_view text) const = 0;
    /// Text of the ids; may hold incomplete UTF-8 at its ends. Control tokens give nothing, and
    /// neither do ids from size() on: models often have a few more than their vocabulary.
    /// @throws InputError for a negative id.
    virtual std::string decode(std::span<const TokenId> ids) const = 0;
    /// The piece as the vocabulary spells it, for displays.
    virtual std::string piece(TokenId id) const = 0;

    virtual std::int64_t size() const = 0;
    /// What goes in front of a text; none where the model reads text without.
    virtual std::optional<TokenId> bos() const = 0;
    virtual std::optional<TokenId> eos() const = 0;
    /// All ids that end a text: eos() and those that the model's other files name. They need not
    /// be below size().
    virtual std::vector<TokenId> ends() const = 0;
    /// XXH3-128 over all pieces: two models may pair only if these agree.
    virtual std::string fingerprint() const = 0;
};

/// Turns a stream of ids into text in whole code points; keeps the incomplete tail back.
class IncrementalDetokenizer {
public:
    explicit IncrementalDetokenizer(const Tokenizer& tokenizer) : m_tokenizer(tokenizer) {}
    /// Text that became complete with this id; invalid UTF-8 is replaced by U+FFFD.
    std::string append(TokenId id);
    /// The kept tail, replaced where incomplete.
    std::string finish();

private:
    void shorten();

    const Tokenizer& m_tokenizer;
    std::vector<TokenId> m_ids;
    std::size_t m_emitted = 0;
};

/// Loads the vocabulary of a model folder: tokenizer.json, else tokenizer.model / spiece.model,
/// else vocab.json + merges.txt. Null when the folder has none (models fed by ids alone).
/// @throws FormatError, Unsupported naming the pre-tokenizer or model type.
std::shared_ptr<const Tokenizer> loadTokenizer(const std::filesystem::path& folder);

} // namespace lathe
