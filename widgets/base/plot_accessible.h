// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

namespace lathe {

/// Makes every QCustomPlot and PaintedChart a chart for screen readers (a QCustomPlot itself says
/// nothing). May be
/// called again; the factory is installed once.
void installPlotAccessibility();

} // namespace lathe
