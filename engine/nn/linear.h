// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "engine/nn/weight.h"

#include <optional>
#include <string>

namespace lathe {

/// y = x * w^T + bias for any weight format.
struct Linear {
    Weight weight;
    std::optional<Tensor> bias{}; ///< [out] F32

    /// @param x [rows, in] F32  @param y [rows, out] F32, overwritten.
    /// Few rows go through the packed kernels; more are dequantized tile by tile into scratch.
    void apply(ExecContext& context, ConstView x, TensorView y) const;
};

/// Another handle on the same storage.
Linear share(const Linear& linear);
std::optional<Linear> share(const std::optional<Linear>& linear);

/// A matrix of a model that quantizers replace, by Hugging Face name.
struct NamedLinear {
    std::string name;
    Linear* linear;
};

} // namespace lathe
