// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <cstddef>
#include <span>
#include <vector>

namespace lathe {

/// A candidate with two costs; less is better in both.
struct ParetoPoint {
    double x = 0.0, y = 0.0;
};

/// Indices of the points that no other point beats, by rising x. A point is beaten by one that is
/// no worse in both costs and better in one; equal points all stay. Points with a coordinate that
/// is not finite are never part of the front.
std::vector<std::size_t> paretoFront(std::span<const ParetoPoint> points);

} // namespace lathe
