// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "kernels/cuda/reduce.cuh"

/// The order in which RowStatistics are added up, for every kernel whose results have to be theirs
/// bit for bit: thread t takes columns t, t + kStatisticsThreads, .., and the threads' sums are
/// added as in blockSum.
namespace lathe::cuda {

/// Rows are few and wide: all threads that a block may have.
constexpr int kStatisticsThreads = 1024;
constexpr int kNoIndex = 0x7fffffff; ///< behind every real one, so that `better` replaces it

/// What stands for a row without a number.
__device__ inline int indexOf(ArgMaxPair best) { return best.index == kNoIndex ? 0 : best.index; }

__device__ inline float logSumExpOf(float largest, float sum) { return largest + logf(sum); }

} // namespace lathe::cuda
