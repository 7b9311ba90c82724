// SPDX-License-Identifier: Apache-2.0
#include "experiments/study.h"

#include "engine/core/grid.h"

namespace lathe {

std::vector<Json> Study::cells(const Spec& spec) const { return expandGrid(spec); }

} // namespace lathe
