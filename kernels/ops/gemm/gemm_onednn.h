// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "kernels/ops/gemm/gemm.h"

namespace lathe {

/// Many rows by oneDNN's single precision product, over the context's pool. Only in builds with
/// oneDNN.
///
/// oneDNN takes one instruction set per process, for good. So that the numbers of a target hang
/// neither on what ran before nor on the environment, it serves one target alone: the best of this
/// processor. The other targets have the project's tiled kernels.
void gemmOneDnn(ExecContext& context, const Gemm& op);
/// More rows than the matrix-vector kernel takes.
bool suitsOneDnn(const Gemm& op);
/// The same, on processors without AVX-512 alone.
bool suitsOneDnnAvx2(const Gemm& op);

} // namespace lathe
