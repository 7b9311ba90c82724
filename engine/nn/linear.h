// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "engine/nn/weight.h"

namespace lathe {

/// y = x * w^T + bias for any weight format.
struct Linear {
    Weight weight;
    std::optional<Tensor> bias{}; ///< [out] F32

    /// @param x [rows, in] F32  @param y [rows, out] F32, overwritten.
    /// Few rows go through the packed kernels; more are dequantized tile by tile into scratch.
    void apply(ExecContext& context, ConstView x, TensorView y) const;
};

} // namespace lathe
