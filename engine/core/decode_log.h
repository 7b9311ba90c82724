// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "engine/core/json.h"
#include "engine/core/token_id.h"

#include <cstdint>
#include <limits>
#include <span>
#include <string>
#include <string_view>
#include <vector>

/// The record of everything that happened while a text was decoded by two models. Screens, counts,
/// times and audits are made from it alone.
namespace lathe {

enum class DecodeEventKind : std::uint8_t {
    EncodeSmall,   ///< the little model's encoder ran (timed by the caller)
    EncodeLarge,   ///< the big model's
    PrefillSmall,  ///< the little model's state began; `rows` prompt tokens were fed
    PrefillLarge,  ///< the big model's
    Draft,         ///< the little model fed `rows` tokens and wrote one; rows 0: copied, no model
    Fallback,      ///< it fed `rows` tokens and its `token` was thrown away, too unsure
    Cap,           ///< enough drafts in a row
    Verify,        ///< the big model fed `rows` tokens from `pos` on
    KeepAgreed,    ///< it would have written the draft itself
    KeepTolerated, ///< it would not, but keeps it
    Rollback,      ///< the draft `token` at `pos` is undone
    Flush,         ///< a draft behind an undone one
    Replace,       ///< the big model's token in place of the undone one
    LargeToken,    ///< the big model's token behind all that it kept
    Eos            ///< `token` at `pos` ended the text
};

/// "DRAFT", "KEEP_AGREED", ...
std::string_view nameOf(DecodeEventKind kind);
/// @throws FormatError for an unknown name.
DecodeEventKind decodeEventKindFromName(std::string_view name);

inline constexpr double kNotKnown = std::numeric_limits<double>::quiet_NaN();

/// The timed kinds (those of calls) tile the time of a text decoded alone: each begins where the
/// one before ended. All others take none. kvS, kvL and n hold after the event.
struct DecodeEvent {
    std::int64_t seq = 0; ///< counts up from 0 within the log
    std::int64_t call =
        0; ///< of a model, counted over the batch; other kinds: the call they are of
    std::int64_t t0Ns = 0;
    std::int64_t t1Ns = 0;
    DecodeEventKind kind = DecodeEventKind::Draft;
    std::int64_t pos = 0;
    TokenId token = -1;
    double c = kNotKnown;       ///< the little model's largest probability
    double d = kNotKnown;       ///< -ln of the big model's probability of `token`
    double pLToken = kNotKnown; ///< exp(-d)
    TokenId argmaxL = -1;       ///< what the big model would write here
    double pLArgmax = kNotKnown;
    std::int64_t rows = 0;
    std::int64_t kvS = 0; ///< positions in the little model's cache
    std::int64_t kvL = 0; ///< and in the big one's
    std::int64_t n = 0;   ///< tokens, the prompt's included
};

struct DecodeLog {
    std::vector<TokenId> prompt{};
    std::vector<DecodeEvent> events{};
};

/// Puts the encoders in front of everything, as the first events of the log, and moves all else
/// behind them. @param littleNs, bigNs  0: that model has no encoder, or was not used.
void addEncoders(DecodeLog& log, std::int64_t littleNs, std::int64_t bigNs);

Json toJson(const DecodeEvent& event);
/// @throws FormatError for a record that is damaged or lacks a member.
DecodeEvent decodeEventFromJson(const Json& json);
/// {"prompt": [ids], "events": [records]}; unknown numbers are null.
Json toJson(const DecodeLog& log);
/// @throws FormatError for a record that is damaged or a member that is missing.
DecodeLog decodeLogFromJson(const Json& json);
/// A header line and one line per event; unknown numbers are empty.
std::string toCsv(const DecodeLog& log);

struct DecodeCounts {
    std::int64_t smallSteps = 0; ///< calls of the little model that could have written a token
    std::int64_t bigCalls = 0;
    std::int64_t bigRows = 0;
    std::int64_t drafts = 0; ///< copied ones included
    std::int64_t fallbacks = 0;
    std::int64_t caps = 0;
    std::int64_t agreed = 0;
    std::int64_t tolerated = 0;
    std::int64_t rollbacks = 0;
    std::int64_t flushed = 0;
    std::int64_t bigTokens = 0; ///< replacements and bonus tokens

    double fallbackRate() const; ///< per little step; 0 without one
    double rollbackRate() const; ///< per draft; 0 without one
    /// Little steps whose token is not in the text.
    std::int64_t discarded() const { return fallbacks + rollbacks + flushed; }
    DecodeCounts& operator+=(const DecodeCounts& other);
};

/// What a log says, computed from its kinds, tokens and rows alone.
struct ReplayedText {
    std::vector<TokenId> tokens; ///< the prompt included
    std::int64_t kvS = 0;
    std::int64_t kvL = 0;
    std::int64_t finalLength = 0; ///< tokens that the big model wrote or judged, and the prompt
    bool ended = false;           ///< by an end-of-text token
    DecodeCounts counts;
    std::int64_t callNs = 0; ///< sum of the intervals
};

/// Replays the first `count` events (all by default).
/// @throws FormatError when a record contradicts the ones before it: a position, length or cache
///         that does not follow, a token undone that is not there, time that runs backwards.
ReplayedText
replay(const DecodeLog& log, std::size_t count = std::numeric_limits<std::size_t>::max());

} // namespace lathe
