// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "engine/core/decode_log.h"

/// What decoding costs and could gain: from measured call times, or in closed form from rates.
/// @see Big Little Decoder (arXiv 2302.07863), Leviathan et al. (arXiv 2211.17192)
namespace lathe {

/// Times of calls in milliseconds; a call of the big model is a straight line over its rows.
struct CallCosts {
    double littleMs = 0.0;      ///< one little step
    double bigMs = 0.0;         ///< the big model with one row
    double bigPerRowMs = 0.0;   ///< each further row
    double littleStartMs = 0.0; ///< encoder, beginning and prompt, of each text
    double bigStartMs = 0.0;

    double big(std::int64_t rows) const {
        return bigMs + bigPerRowMs * static_cast<double>(rows - 1);
    }
};

/// Means of the calls in logs of texts decoded alone; the line is fitted by least squares, flat
/// where all calls have equally many rows. Models that were never called cost 0.
CallCosts measuredCosts(std::span<const DecodeLog> logs);

/// {"little_ms": ..., "big_ms", "big_per_row_ms", "little_start_ms", "big_start_ms"}
Json toJson(const CallCosts& costs);
/// @throws FormatError for a member that is missing, negative or no number.
CallCosts callCostsFromJson(const Json& json);

/// The time of a log's calls at these costs, in milliseconds: start of both models where each was
/// begun, little steps, calls of the big model by rows.
double modelledMs(const DecodeLog& log, const CallCosts& costs);

/// The time of the big model alone for the text of a log.
double modelledBigAloneMs(const DecodeLog& log, const CallCosts& costs);

/// The log with its intervals replaced by modelled ones, one after the other.
DecodeLog retimed(DecodeLog log, const CallCosts& costs);

/// Closed form of a cycle, from one call of the big model to the next.
struct CycleRates {
    double fallback = 0.0; ///< per little step
    double rollback = 0.0; ///< per draft
    int maxRun = 10;
    double costRatio = 0.3;        ///< little step / big model with one row
    double extraRow = 0.0;         ///< each further row of the big model, of one with one row
    bool bigAfterRollback = false; ///< a second call of the big model after each rollback
};
struct CycleModel {
    double drafts = 0.0;    ///< K: expected drafts of a cycle
    double wasted = 0.0;    ///< phi: cycles that throw a prediction away
    double rollbacks = 0.0; ///< rho: cycles with a rollback
    double tokens = 0.0;    ///< tau: expected tokens of a cycle
    double speedup = 0.0;   ///< over the big model alone, decoding only
};
/// @throws InputError for rates outside 0..1, a negative run or ratio.
CycleModel cycleModel(const CycleRates& rates);

/// Rejection sampling with `accepted` as the chance that a draft is kept and g drafts a call.
/// @throws InputError for a chance outside 0..1 or a negative number of drafts.
double losslessTokensPerCall(double accepted, int drafts);
double losslessGain(double accepted, int drafts, double costRatio);
/// Arithmetic operations relative to the big model alone. @param operationsRatio little / big
double losslessOperations(double accepted, int drafts, double operationsRatio);

} // namespace lathe
