// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "engine/core/event.h"

#include <QtGlobal>

#include <vector>

namespace lathe::test {

/// How a run of `quant.inspect` ends: 4 rows of 6 columns in 2 x 3 tiles that count up from 1. Row
/// 3 has the largest weighted error. Round to nearest has no table of 1 bit.
std::vector<Event> inspectionEvents(qint64 runId, int row = 3);

} // namespace lathe::test
