// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "engine/text/tokenizer.h"

#include <cmath>
#include <cstdint>
#include <limits>
#include <memory>
#include <span>
#include <vector>

/// What decoding strategies see of a model: sequences that grow and are cut back, and what the
/// model says of the next token behind each fed one. Tables of probabilities, memoised statistics
/// and neural networks all are such models.
namespace lathe {

struct EncoderOutput;

struct TokenCandidate {
    TokenId id = -1;
    double probability = 0.0;
};

/// A model's distribution of the next token, at temperature 1.
struct TokenRow {
    TokenId argmax = -1;     ///< the lowest id on ties
    double confidence = 0.0; ///< probability of `argmax`
    /// -ln of the target's probability, in nats; infinite for an impossible one, NaN without one.
    double distance = std::numeric_limits<double>::quiet_NaN();
    std::vector<TokenCandidate> top{};   ///< as many as asked for, likeliest first
    std::vector<double> probabilities{}; ///< of all ids, where asked for
};

/// What is wanted of the rows of a call, apart from the argmax, its probability and the distance.
struct RowDetail {
    bool nothing = false;       ///< no rows at all: the tokens only fill the cache
    bool probabilities = false; ///< sampling
    int top = 0;                ///< likeliest candidates
};

/// One text in one model: the leading tokens that the model has seen.
class TokenSequence {
public:
    virtual ~TokenSequence() = default;
    virtual std::int64_t length() const = 0;
    /// Forgets all tokens from `length` on. @throws InputError beyond the present length.
    virtual void truncate(std::int64_t length) = 0;
};

/// Fresh tokens of one text. Row i is the distribution behind tokens[i]; targets[i] is the id whose
/// distance is wanted there, -1 for none. Rows behind the last target have none.
struct TokenFeed {
    TokenSequence& sequence;
    std::span<const TokenId> tokens;
    std::span<const TokenId> targets{};
};

/// How long a model may go on writing without being asked.
struct DraftLimits {
    double fallback = 0.0; ///< a less probable token is the last; 1 and above: the first one is
    std::span<const TokenId> ends{}; ///< so is one of these
    std::int64_t most = 1;           ///< steps
};

/// A model that continues texts. Not for several threads at once: calls share buffers.
class TokenModel {
public:
    virtual ~TokenModel() = default;
    /// Ids 0 .. vocabularySize() - 1 are in its rows.
    virtual std::int64_t vocabularySize() const = 0;
    virtual std::int64_t maxPositions() const = 0;
    /// @param capacity positions that the text may have
    /// @param encoder  null for decoder-only models
    virtual std::unique_ptr<TokenSequence>
    begin(std::int64_t capacity, const EncoderOutput* encoder = nullptr) = 0;
    /// One ragged call for all feeds. Returns their rows one after the other, none for
    /// `detail.nothing`. Either all feeds are taken or, when it throws, none.
    virtual std::vector<TokenRow>
    feed(std::span<const TokenFeed> feeds, const RowDetail& detail) = 0;

    /// Whether `draft` is more than feeding step by step: it waits for less.
    virtual bool draftsAlone(const DraftLimits&) const { return false; }
    /// Feeds `tokens`, and then the likeliest token of each step as the next one's only token until
    /// a limit is met. Returns the last row of each step, at least one and not more than
    /// `limits.most`; it may stop before a limit is met, and does so behind none.
    virtual std::vector<TokenRow>
    draft(TokenSequence& sequence, std::span<const TokenId> tokens, const DraftLimits& limits);
};

/// Whether a greedy draft goes on behind this row, so many steps having been made.
bool goesOn(const TokenRow& row, const DraftLimits& limits, std::int64_t steps);

/// The likeliest ids of a distribution, lower ids first among equals.
std::vector<TokenCandidate> topCandidates(std::span<const double> probabilities, int count);

} // namespace lathe
