// SPDX-License-Identifier: GPL-3.0-or-later
#include "widgets/base/method_style.h"

#include <algorithm>
#include <array>
#include <string_view>

namespace lathe {

int methodStyle(const std::string& method, int fallback) {
    // Two places belong to the Pareto front and the float model.
    static constexpr std::array<std::string_view, kOtherStyle> kKnown{
        "kmeans", "rtn",        "rtn-sym",           "",       "float",
        "lloyd",  "squeezellm", "squeezellm-sparse", "refined"};
    static_assert(kKnown[kParetoStyle].empty() && kKnown[kFloatStyle] == "float");
    if (method.empty()) {
        return fallback;
    }
    const auto it = std::ranges::find(kKnown, method);
    return it != kKnown.end() ? static_cast<int>(it - kKnown.begin()) : fallback;
}

} // namespace lathe
