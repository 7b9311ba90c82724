// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "engine/core/json.h"

#include <QString>

#include <string>
#include <vector>

namespace lathe {

inline constexpr const char* kLittleDrafts = "bild"; ///< the strategy where a little model drafts

/// Whether the fallback and rollback thresholds say something to a strategy.
bool hasThresholds(const std::string& strategy);
/// The strategy that thresholds beside it are for: itself, or that of a little model.
std::string thresholdStrategy(const std::string& strategy);
/// Whether a strategy needs a little model.
bool needsLittle(const std::string& strategy);
/// The params that say what it is that drafts for a strategy; none: they all write alone or copy.
std::vector<const char*> drafterParams(const std::string& strategy);
/// Who decodes: "translate-big + translate-little-aligned", "lm-big + its first 2 layers",
/// "lm-big + itself in 4 bits (kmeans)"; one model's name where it is alone.
QString pairText(const Json& params, const std::string& strategy);

} // namespace lathe
