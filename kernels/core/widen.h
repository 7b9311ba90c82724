// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "kernels/core/tensor.h"

namespace lathe {

/// Elements [first, first + to.size()) of a host view of F32, F16 or BF16, as floats.
void widen(ConstView from, std::int64_t first, std::span<float> to);

} // namespace lathe
