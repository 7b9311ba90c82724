// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "engine/nn/weight.h"

namespace lathe {

/// Sum over the rows of (w - quantized)^T H (w - quantized), H that of the row's group: what the
/// method `refined` lowers. Rows are summed in double and in order, whatever the threads.
/// @param w [out, in] F32 | F16 | BF16 on the host  @param quantized of the same shape, on the host
/// @param hessian [groups, in, in] F32 on the host, as LayerStatistics has it
double outputError(ExecContext& cpu, ConstView w, const Weight& quantized, ConstView hessian);

} // namespace lathe
