// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "engine/nn/weight.h"

namespace lathe {

/// Sum of sensitivity * (quantized - w)^2 over a matrix: SqueezeLLM's estimate of the loss, up to
/// its factor (see Sensitivities). Rows are summed in double and in order, whatever the threads.
/// @param w [out, in] F32 | F16 | BF16 on the host  @param quantized of the same shape, on the host
/// @param sensitivity [out, in] F32 on the host
double weightedError(ExecContext& cpu, ConstView w, const Weight& quantized, ConstView sensitivity);

} // namespace lathe
