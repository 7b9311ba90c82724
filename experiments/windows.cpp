// SPDX-License-Identifier: Apache-2.0
#include "experiments/windows.h"

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

} // namespace lathe
