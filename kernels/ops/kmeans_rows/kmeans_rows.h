// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "kernels/core/exec_context.h"
#include "kernels/core/tensor.h"

#include <cstdint>

namespace lathe {

inline constexpr std::int64_t kKmeansMaxClusters = 256;
/// Longest rows that the CUDA kernel takes: its borders are 16-bit numbers.
inline constexpr std::int64_t kKmeansMaxCudaWidth = 65535;

/// Optimal weighted 1-D k-means of every row (see Kmeans1d): the sum over a row of
/// weight * (value - nearest centroid)^2 is the least that k centroids can have. The kernels agree
/// bit for bit: sums, ties and borders follow one order.
/// @note A row with a value that is not finite, a weight that is negative or not finite, or a
/// length
///       outside 1 .. n has NaN for all results. CUDA: n <= kKmeansMaxCudaWidth.
/// @see  SqueezeLLM (arXiv 2306.07629) section 4.1; Wu 1991 for the exact method.
struct KmeansRows {
    ConstView values;     ///< [rows, n] F32, F16 or BF16, n >= 1
    ConstView weights{};  ///< [rows, n] F32, or empty: all ones
    ConstView lengths{};  ///< [rows] I32: so many values of a row, its first ones, take part; or
                          ///< empty: all
    TensorView centroids; ///< [rows, k] F64, 1 <= k <= 256, ascending; the last one repeated where
                          ///< a row has fewer distinct values
    TensorView cost;      ///< [rows] F64
    TensorView curve{};   ///< [rows, k] F64: the least cost of 1, 2, ... k clusters; or empty
};
void run(ExecContext& context, const KmeansRows& op);

} // namespace lathe
