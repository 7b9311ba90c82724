// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "widgets/decode/decode_story.h"

#include <optional>

namespace lathe {

/// Numbers of a decoding at a place in it, side by side, names above values, as rich text.
/// @param alone when each token of the big model alone was there, in milliseconds
/// @param modelled times are of a cost model, not measured
/// @param rows in which they stand
QString factsText(
    const DecodeStory& story, int events, const std::vector<double>& alone, bool modelled,
    int rows = 1);
/// The fewest rows, three at most, in which the numbers of the whole text are no wider than that.
int factRows(const DecodeStory& story, const std::vector<double>& alone, bool modelled, int width);

/// Fallback and rollback threshold that a decoding used, from its metric `options`.
struct Thresholds {
    double fallback = 0.0, rollback = 0.0;
    bool operator==(const Thresholds&) const = default;
};
/// None: the metrics do not say.
std::optional<Thresholds> thresholdsOf(const Json& metrics);

} // namespace lathe
