// SPDX-License-Identifier: Apache-2.0
#include "engine/quant/output_error.h"

#include "engine/core/check.h"
#include "engine/quant/matrix_rows.h"
#include "kernels/ops/guided_hessian/guided_hessian.h"

#include <numeric>
#include <vector>

namespace lathe {

namespace {

double quadraticOf(const float* hessian, std::span<const double> error) {
    double sum = 0.0;
    for (std::size_t i = 0; i < error.size(); ++i) {
        double product = 0.0;
        for (std::size_t j = 0; j < error.size(); ++j) {
            product += static_cast<double>(hessian[i * error.size() + j]) * error[j];
        }
        sum += error[i] * product;
    }
    return sum;
}

} // namespace

double outputError(ExecContext& cpu, ConstView w, const Weight& quantized, ConstView hessian) {
    const std::int64_t rows = outFeatures(quantized), in = inFeatures(quantized);
    LATHE_CHECK(
        w.shape == Shape({rows, in}) && hessian.shape.rank() == 3 && hessian.shape[0] >= 1 &&
            hessian.shape[0] <= rows && hessian.shape == Shape({hessian.shape[0], in, in}),
        "output error: w is " + w.shape.text() + ", its Hessians are " + hessian.shape.text() +
            ", the quantized weight is [" + std::to_string(rows) + ", " + std::to_string(in) + "]");
    const Tensor stored = dequantize(cpu, quantized);
    std::vector<double> sums(static_cast<std::size_t>(rows));
    for (std::int64_t g = 0; g < hessian.shape[0]; ++g) {
        const OutputGroup group = outputGroup(rows, hessian.shape[0], g);
        const float* square = hessian.ptr<float>() + g * in * in;
        cpu.pool().parallelFor(group.to - group.from, 1, [&](std::int64_t from, std::int64_t to) {
            std::vector<float> exact(static_cast<std::size_t>(in));
            std::vector<double> error(exact.size());
            for (std::int64_t row = group.from + from; row < group.from + to; ++row) {
                readRow(w, row, "output error", exact);
                const float* wide = stored.view().ptr<float>() + row * in;
                for (std::size_t i = 0; i < exact.size(); ++i) {
                    error[i] = static_cast<double>(exact[i]) - static_cast<double>(wide[i]);
                }
                sums[static_cast<std::size_t>(row)] = quadraticOf(square, error);
            }
        });
    }
    return std::accumulate(sums.begin(), sums.end(), 0.0);
}

} // namespace lathe
