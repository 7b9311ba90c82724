// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <span>
#include <vector>

namespace lathe {

/// x^T A x. @param matrix A, [n, n] row-major
double quadratic(std::span<const double> matrix, std::span<const double> x);

/// The step x that lowers x^T A x - 2 b^T x: A x = b by Cholesky's factors, with a ridge on the
/// diagonal that grows until all pivots are positive. Where A is singular the step is short instead
/// of wild; where it is zero, the step is.
/// @param matrix A, [n, n] row-major, symmetric and positive semi-definite but for rounding
/// @param right b, [n]
std::vector<double> solveNormal(std::span<const double> matrix, std::span<const double> right);

} // namespace lathe
