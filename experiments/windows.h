// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "engine/text/tokenizer.h"

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

/// How a long token stream is cut into windows that a model can see at once. The only place that
/// knows: perplexity, sweeps and checks all score by these plans.
namespace lathe {

struct WindowOptions {
    std::int64_t window = 0;     ///< tokens that the model is fed at once, at least 2
    std::int64_t stride = 0;     ///< tokens from one window to the next, 1..window
    bool bosPerWindow = false;   ///< each window is led by a beginning-of-text token of its own
    bool keepTail = false;       ///< score the last, shorter window as well
    std::int64_t maxWindows = 0; ///< stop after so many; 0: all
};

/// Tokens [from, from + count) of the stream; the last `fresh` of them are scored here and nowhere
/// else. Without a token of its own in front, the first token of a window has no context and is
/// never scored.
struct Window {
    std::int64_t from = 0;
    std::int64_t count = 0;
    std::int64_t fresh = 0;
    bool operator==(const Window&) const = default;
};

struct WindowPlan {
    std::vector<Window> windows;
    /// The stream was shorter than one window, so its only window was kept although tails are
    /// dropped.
    bool keptShortText = false;
};

/// @param streamTokens length of the stream, its own beginning-of-text token included.
/// @throws InputError when window or stride are out of range or nothing can be scored.
WindowPlan planWindows(std::int64_t streamTokens, const WindowOptions& options);

/// "window 256, stride 256, bos document, tail drop, clean none": beside every perplexity, since
/// numbers of different protocols do not compare.
std::string protocolLabel(const WindowOptions& options, const std::string& cleaning);

/// Windows of a corpus of documents, as GPTQ and SqueezeLLM draw them from C4.
struct DrawOptions {
    std::int64_t window = 0; ///< tokens, at least 2
    std::int64_t count = 256;
    std::uint32_t seed = 0; ///< of Python's generator
};

/// Draws documents until one holds a window, then a place in it, `count` times over; the windows
/// one after another. Python's `randint` draws, so that the published protocol (seed 0) gives its
/// windows; but a document of exactly one window, at which that stops with an error, is taken
/// whole.
/// @param tokensOf the ids of a document, beginning-of-text token included.
/// @throws InputError when no document is long enough.
std::vector<TokenId> drawWindows(
    std::size_t documents, const std::function<std::vector<TokenId>(std::size_t)>& tokensOf,
    const DrawOptions& options);

/// "window 2048, 256 windows drawn from documents, seed 0, bos document, clean none".
std::string protocolLabel(const DrawOptions& options, const std::string& cleaning);

} // namespace lathe
