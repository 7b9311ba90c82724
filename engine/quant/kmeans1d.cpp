// SPDX-License-Identifier: Apache-2.0
#include "engine/quant/kmeans1d.h"

#include "engine/core/check.h"

#include <algorithm>

namespace lathe {

namespace {

template <class Entry>
int nearest(std::span<const Entry> ascending, float value) {
    LATHE_CHECK(!ascending.empty(), "nearest entry: the table is empty");
    const auto above = std::lower_bound(ascending.begin(), ascending.end(), value);
    if (above == ascending.begin()) {
        return 0;
    }
    auto best = above;
    if (above == ascending.end() || static_cast<double>(value) - static_cast<double>(above[-1]) <=
                                        static_cast<double>(*above) - static_cast<double>(value)) {
        best = std::lower_bound(ascending.begin(), above, above[-1]);
    }
    return static_cast<int>(best - ascending.begin());
}

} // namespace

int nearestIndex(std::span<const float> ascending, float value) {
    return nearest(ascending, value);
}

int nearestCentroid(std::span<const double> ascending, float value) {
    return nearest(ascending, value);
}

} // namespace lathe
