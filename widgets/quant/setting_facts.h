// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "widgets/quant/sweep_run.h"

namespace lathe {

/// The numbers of one setting as rich text: a table of name, value, interval and, against the
/// float model, the difference. @param reference may be null.
QString settingFacts(const SweepCell& cell, const SweepCell* reference);

} // namespace lathe
