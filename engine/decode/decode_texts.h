// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "engine/core/run_control.h"
#include "engine/decode/drafted_text.h"

#include <chrono>

namespace lathe {

/// Monotonic nanoseconds.
using DecodeClock = std::function<std::int64_t()>;
std::int64_t steadyNanoseconds();

/// The models of a strategy. One that the strategy does not use may be null.
struct DecodeModels {
    TokenModel* little = nullptr;
    TokenModel* big = nullptr;
};

/// When the big model runs for texts that wait for it. It always runs when no text can go on
/// without it. Texts never wait for each other's content, only for time: any policy gives every
/// text what it would be alone.
struct BatchPolicy {
    std::size_t enough = 0; ///< so many wait; 0: never a reason
    int patience = 0;       ///< the longest waiting has waited so many little calls; 0: never
};

struct DecodedText {
    std::vector<TokenId> tokens; ///< the prompt included
    std::int64_t promptLength = 0;
    std::int64_t finalLength = 0; ///< tokens from here on are drafts that nobody judged
    DecodeLog log;
    std::int64_t wallNs = 0; ///< of the whole batch
};

struct DecodeSettings {
    DraftOptions options{};
    BatchPolicy policy{};
    DecodeClock clock = steadyNanoseconds; ///< tests have one of their own
    std::function<void(std::size_t text, const DecodeEvent&)> onEvent{};
    const DraftRule* rule = nullptr; ///< in place of the options' own; for tests of rules
};

/// Does a strategy call the little model, and the big one?
bool usesLittle(const DraftOptions& options);
bool usesBig(const DraftOptions& options);

/// Decodes texts, each with its own state, their calls gathered into ragged ones.
/// Texts end at an end token, after maxNew tokens, or when a model's positions are used up.
/// @throws InputError for an empty prompt, one longer than a model's positions, a negative maxNew,
///         an id that a model lacks, models of different vocabulary sizes, or a strategy's model
///         that is missing; Cancelled.
std::vector<DecodedText> decodeTexts(
    RunControl& run, const DecodeModels& models, std::span<const DecodeRequest> requests,
    const DecodeSettings& settings);

} // namespace lathe
