// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <string>

namespace lathe {

inline constexpr int kParetoStyle = 3;
inline constexpr int kFloatStyle = 4;
/// From here on: methods that are not known, such as files of other programs.
inline constexpr int kOtherStyle = 9;

/// PlotSeries::style of a quantization method, the same in every plot and every run; `fallback`
/// for one that is not known.
int methodStyle(const std::string& method, int fallback);

} // namespace lathe
