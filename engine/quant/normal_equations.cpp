// SPDX-License-Identifier: Apache-2.0
#include "engine/quant/normal_equations.h"

#include <algorithm>
#include <cmath>

namespace lathe {

namespace {

/// First ridge over the largest element of the diagonal, and by what it grows: from what is lost in
/// double to what is lost in float, in which A's sums may have come.
constexpr double kFirstRidge = 1e-12;
constexpr double kRidgeGrowth = 100.0;

/// The lower factor of A + ridge * I in place; false for a pivot that is not positive.
bool factor(std::vector<double>& a, std::size_t n, double ridge) {
    for (std::size_t i = 0; i < n; ++i) {
        for (std::size_t j = 0; j <= i; ++j) {
            double sum = a[i * n + j] + (i == j ? ridge : 0.0);
            for (std::size_t k = 0; k < j; ++k) {
                sum -= a[i * n + k] * a[j * n + k];
            }
            if (i != j) {
                a[i * n + j] = sum / a[j * n + j];
            } else if (sum > 0.5 * ridge) {
                a[i * n + i] = std::sqrt(sum);
            } else {
                return false;
            }
        }
    }
    return true;
}

/// x of L L^T x = right, from the lower factor L.
std::vector<double> substitute(const std::vector<double>& lower, std::vector<double> x) {
    const std::size_t n = x.size();
    for (std::size_t i = 0; i < n; ++i) {
        for (std::size_t k = 0; k < i; ++k) {
            x[i] -= lower[i * n + k] * x[k];
        }
        x[i] /= lower[i * n + i];
    }
    for (std::size_t i = n; i-- > 0;) {
        for (std::size_t k = i + 1; k < n; ++k) {
            x[i] -= lower[k * n + i] * x[k];
        }
        x[i] /= lower[i * n + i];
    }
    return x;
}

} // namespace

double quadratic(std::span<const double> matrix, std::span<const double> x) {
    double sum = 0.0;
    for (std::size_t i = 0; i < x.size(); ++i) {
        double row = 0.0;
        for (std::size_t j = 0; j < x.size(); ++j) {
            row += matrix[i * x.size() + j] * x[j];
        }
        sum += x[i] * row;
    }
    return sum;
}

std::vector<double> solveNormal(std::span<const double> matrix, std::span<const double> right) {
    const std::size_t n = right.size();
    double largest = 0.0;
    for (std::size_t i = 0; i < n; ++i) {
        largest = std::max(largest, matrix[i * n + i]);
    }
    for (double ridge = kFirstRidge * largest; ridge > 0.0 && ridge < largest;
         ridge *= kRidgeGrowth) {
        std::vector<double> a(matrix.begin(), matrix.end());
        if (factor(a, n, ridge)) {
            return substitute(a, {right.begin(), right.end()});
        }
    }
    return std::vector<double>(n);
}

} // namespace lathe
