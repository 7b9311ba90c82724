// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

/// The one door to QCustomPlot: its header still uses Qt's keyword macros.
#include <qcustomplot.h>
