// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "kernels/core/dtype.h"
#include "kernels/simd/weight_kind.h"

namespace lathe {

/// The storage type of a float weight as kernels on raw pointers spell it; F32, F16 and BF16 only.
constexpr WeightKind weightKindOf(DType dtype) {
    if (dtype == DType::F16) {
        return WeightKind::F16;
    }
    return dtype == DType::BF16 ? WeightKind::BF16 : WeightKind::F32;
}

} // namespace lathe
