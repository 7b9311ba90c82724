// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

namespace lathe {

/// Makes every QCustomPlot a chart for screen readers (QCustomPlot itself says nothing). May be
/// called again; the factory is installed once.
void installPlotAccessibility();

} // namespace lathe
