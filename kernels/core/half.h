// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "kernels/core/dtype.h"

namespace lathe {

/// IEEE binary16 and bfloat16 conversions in software, round to nearest even, subnormals,
/// infinities and NaN kept. The reference of every faster conversion.
float toFloat(Half value) noexcept;
float toFloat(BFloat16 value) noexcept;
Half toHalf(float value) noexcept;
BFloat16 toBFloat16(float value) noexcept;

} // namespace lathe
