// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "engine/core/event.h"

#include <QString>

namespace lathe {

/// "done", "running" ... translated, and the icon that goes with it.
QString cellStateText(CellState state);
QString cellStateIcon(CellState state);

} // namespace lathe
