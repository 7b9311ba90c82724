// SPDX-License-Identifier: Apache-2.0
#include "experiments/windows.h"

#include "engine/base/python_random.h"
#include "engine/core/check.h"

#include <algorithm>

namespace lathe {

WindowPlan planWindows(std::int64_t streamTokens, const WindowOptions& options) {
    LATHE_CHECK(
        options.window >= 2,
        "--window must be at least 2 tokens, not " + std::to_string(options.window));
    LATHE_CHECK(
        options.stride >= 1 && options.stride <= options.window,
        "--stride must be from 1 to the window of " + std::to_string(options.window) +
            " tokens, not " + std::to_string(options.stride));
    const std::int64_t lead = options.bosPerWindow ? 1 : 0;
    const std::int64_t content = options.window - lead;
    // A window led by its own token holds one token less of the text: none is skipped for that.
    const std::int64_t step = std::min(options.stride, content);
    WindowPlan plan;
    plan.keptShortText = !options.keepTail && streamTokens < content;
    const bool keep = options.keepTail || plan.keptShortText;
    std::int64_t scoredTo = 0;
    for (std::int64_t from = 0; from < streamTokens; from += step) {
        const std::int64_t count = std::min(content, streamTokens - from);
        const std::int64_t firstScored = std::max(scoredTo, from + 1 - lead);
        const std::int64_t fresh = from + count - firstScored;
        if (fresh < 1 || (count < content && !keep)) {
            break;
        }
        plan.windows.push_back({from, count, fresh});
        scoredTo = from + count;
        if (static_cast<std::int64_t>(plan.windows.size()) == options.maxWindows) {
            break;
        }
    }
    LATHE_CHECK(
        !plan.windows.empty(),
        "the text has only " + std::to_string(streamTokens) + " token(s): nothing can be scored");
    return plan;
}

std::string protocolLabel(const WindowOptions& options, const std::string& cleaning) {
    std::string label = "window " + std::to_string(options.window) + ", stride " +
                        std::to_string(options.stride) + ", bos " +
                        (options.bosPerWindow ? "window" : "document") + ", tail " +
                        (options.keepTail ? "keep" : "drop") + ", clean " + cleaning;
    if (options.maxWindows > 0) {
        label += ", first " + std::to_string(options.maxWindows) + " windows";
    }
    return label;
}

std::vector<TokenId> drawWindows(
    std::size_t documents, const std::function<std::vector<TokenId>(std::size_t)>& tokensOf,
    const DrawOptions& options) {
    LATHE_CHECK(
        options.window >= 2,
        "--window must be at least 2 tokens, not " + std::to_string(options.window));
    PythonRandom random(options.seed);
    std::vector<bool> isShort(documents);
    std::size_t shortOnes = 0;
    std::vector<TokenId> stream;
    for (std::int64_t made = 0; made < options.count;) {
        LATHE_CHECK(
            shortOnes < documents,
            "none of " + std::to_string(documents) + " documents holds a window of " +
                std::to_string(options.window) + " tokens; take a shorter --window");
        const auto drawn =
            static_cast<std::size_t>(random.randint(0, static_cast<std::int64_t>(documents) - 1));
        if (isShort[drawn]) {
            continue;
        }
        const std::vector<TokenId> ids = tokensOf(drawn);
        const auto length = static_cast<std::int64_t>(ids.size());
        if (length < options.window) {
            isShort[drawn] = true;
            ++shortOnes;
            continue;
        }
        const std::int64_t last = length - options.window - 1; // as published: one short of it
        const std::int64_t from = last < 0 ? 0 : random.randint(0, last);
        stream.insert(stream.end(), ids.begin() + from, ids.begin() + from + options.window);
        ++made;
    }
    return stream;
}

std::string protocolLabel(const DrawOptions& options, const std::string& cleaning) {
    return "window " + std::to_string(options.window) + ", " + std::to_string(options.count) +
           " windows drawn from documents, seed " + std::to_string(options.seed) +
           ", bos document, clean " + cleaning;
}

} // namespace lathe
