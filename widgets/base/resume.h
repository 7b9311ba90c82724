// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "experiments/store/run_reader.h"

namespace lathe {

/// A sweep that was cancelled, interrupted or whose engine crashed: what it finished need not be
/// made again.
bool canResume(const RunRow& row);
/// The run's Spec with the keys of the cells that it, or an equal run, has finished.
/// @throws Error when the store cannot be read.
Spec resumedSpec(RunReader& reader, const RunRow& row);
/// The run's Spec for a run from the start.
Spec freshSpec(const RunRow& row);

} // namespace lathe
