// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "kernels/ops/gemm/gemm.h"

namespace lathe {

/// Many rows by oneDNN's single precision product, over the context's pool. Only in builds with
/// oneDNN. Its instruction set is limited once in a process, at the first product: to LATHE_TARGET
/// when that is set, else to the target of that first context.
void gemmOneDnn(ExecContext& context, const Gemm& op);
/// More rows than the matrix-vector kernel takes.
bool suitsOneDnn(const Gemm& op);

} // namespace lathe
