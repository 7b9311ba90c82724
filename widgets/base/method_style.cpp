// SPDX-License-Identifier: GPL-3.0-or-later
#include "widgets/base/method_style.h"

#include <algorithm>
#include <array>
#include <string_view>

namespace lathe {

int methodStyle(const std::string& method, int fallback) {
    static constexpr std::array<std::string_view, 3> kKnown{"kmeans", "rtn", "rtn-sym"};
    if (method == "float") {
        return kFloatStyle;
    }
    const auto it = std::ranges::find(kKnown, method);
    return it != kKnown.end() ? static_cast<int>(it - kKnown.begin()) : fallback;
}

} // namespace lathe
