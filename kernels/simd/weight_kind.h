// SPDX-License-Identifier: Apache-2.0
#pragma once

namespace lathe {

/// How the elements of a float weight are stored, for kernels on raw pointers.
enum class WeightKind { F32, F16, BF16 };

} // namespace lathe
