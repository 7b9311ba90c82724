// SPDX-License-Identifier: GPL-3.0-or-later
#include "widgets/base/pareto.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace lathe {

std::vector<std::size_t> paretoFront(std::span<const ParetoPoint> points) {
    std::vector<std::size_t> order;
    for (std::size_t i = 0; i < points.size(); ++i) {
        if (std::isfinite(points[i].x) && std::isfinite(points[i].y)) {
            order.push_back(i);
        }
    }
    std::ranges::stable_sort(order, [points](std::size_t a, std::size_t b) {
        return points[a].x != points[b].x ? points[a].x < points[b].x : points[a].y < points[b].y;
    });
    std::vector<std::size_t> front;
    double leastY = std::numeric_limits<double>::infinity();
    for (const std::size_t i : order) {
        const bool equal = !front.empty() && points[front.back()].x == points[i].x &&
                           points[front.back()].y == points[i].y;
        if (points[i].y < leastY || equal) {
            front.push_back(i);
            leastY = points[i].y;
        }
    }
    return front;
}

} // namespace lathe
