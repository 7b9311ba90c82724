// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "engine/core/json.h"
#include "engine/decode/sampler.h"

#include <limits>
#include <string>
#include <string_view>

/// The parameters of decoding with drafts. Every value is literal: 0 is 0.
/// @see Big Little Decoder (arXiv 2302.07863); Leviathan et al. (arXiv 2211.17192)
namespace lathe {

enum class Mover : std::uint8_t { Little, Big };

/// How far the big model is from a draft x, in nats.
enum class RollbackMetric : std::uint8_t {
    Absolute, ///< d = -ln p(x), as published
    Relative  ///< ln(max p / p(x)): a flat distribution is no reason to undo (greedy lenience
              ///< exp(-rollback) of Leviathan et al., A.5)
};

/// Who proposes drafts.
enum class DraftSource : std::uint8_t {
    Model, ///< the little model, which may be a quantized copy or the first layers of the big one
    Text   ///< copied from behind an earlier occurrence of the last tokens (prompt lookup)
};

inline constexpr int kUnlimitedRun = std::numeric_limits<int>::max();

struct BildOptions {
    double fallback = 0.6; ///< hand over when the largest probability is below; >= 1: always
    double rollback = 5.0; ///< undo beyond this distance; <= 0: whenever the first choices differ
    int maxRun = 10;       ///< drafts in a row before a hand-over; 0: the big model alone
    Mover startWith = Mover::Little;     ///< who makes the first token
    Mover afterRollback = Mover::Little; ///< who moves next after a rollback
    /// Judge drafts that the big model has not seen when the text ends.
    bool verifyTail = true;
    /// The reference's rollback search, for comparison: it stops at the first draft beyond the
    /// distance, agreed or not, so that an agreed one hides every error behind it.
    bool maskedSearch = false;
    RollbackMetric metric = RollbackMetric::Absolute;
    /// Undo a draft that goes on where the big model's first choice is to end the text, whatever
    /// its distance.
    bool overshootGuard = false;

    bool operator==(const BildOptions&) const = default;
};

/// Everything about a strategy.
struct DraftOptions {
    BildOptions bild{};
    DraftSource source = DraftSource::Model;
    /// Accept drafts by rejection sampling, so that the text is distributed as the big model's
    /// own. Greedy: as rollback 0 with the tail verified.
    bool lossless = false;
    SamplingOptions sampling{}; ///< of both models
    int longestMatch = 3;       ///< DraftSource::Text: tokens that have to occur again, at most
};

/// strict (judges the tail), paper (does not), reference (the big model starts and moves after a
/// rollback, masked search, no tail).
/// @throws InputError for another name.
BildOptions bildPreset(std::string_view name);

/// The strategies: only `fallback`, `rollback` and `maxRun` of a preset may be left to the caller.
DraftOptions bigAlone(const SamplingOptions& sampling = {});
DraftOptions littleAlone(const SamplingOptions& sampling = {});
DraftOptions bild(const BildOptions& options, const SamplingOptions& sampling = {});
/// @param draftLength drafts of a call of the big model, >= 0
DraftOptions lossless(int draftLength, const SamplingOptions& sampling = {});
DraftOptions promptLookup(int draftLength, const SamplingOptions& sampling = {});

/// @throws InputError for a NaN threshold, a negative run, a match length below 1.
void checkOptions(const DraftOptions& options);

/// {"alpha_fb": 0.6, "alpha_rb": 5, "max_run": 10, "start_with": "small", "after_rollback":
/// "small", "verify_tail": true, "masked_search": false, "metric": "absolute",
/// "overshoot_guard": false}. Infinities are the texts "inf" and "-inf", an unlimited run "inf".
Json toJson(const BildOptions& options);
/// Members that are missing keep the values of `base`.
/// @throws FormatError for an unknown member or a value that is not possible.
BildOptions bildFromJson(const Json& json, const BildOptions& base);

/// A preset file: {"preset": "strict", "bild": {members as above}, "provenance": {...}}.
struct BildPreset {
    std::string name = "strict"; ///< of the preset that the values start from
    BildOptions options{};
    Json provenance = Json::object(); ///< how it was tuned: models, data, quality, build
};
Json toJson(const BildPreset& preset);
/// @param what names the file in a FormatError.
BildPreset bildPresetFromText(std::string_view text, std::string_view what);

} // namespace lathe
