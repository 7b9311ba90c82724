// SPDX-License-Identifier: Apache-2.0
#include "engine/quant/weighted_error.h"

#include "engine/core/check.h"
#include "engine/quant/matrix_rows.h"

#include <numeric>
#include <vector>

namespace lathe {

double
weightedError(ExecContext& cpu, ConstView w, const Weight& quantized, ConstView sensitivity) {
    LATHE_CHECK(
        w.shape == Shape({outFeatures(quantized), inFeatures(quantized)}) &&
            sensitivity.shape == w.shape,
        "weighted error: w is " + w.shape.text() + ", its sensitivities are " +
            sensitivity.shape.text() + ", the quantized weight is [" +
            std::to_string(outFeatures(quantized)) + ", " + std::to_string(inFeatures(quantized)) +
            "]");
    const Tensor stored = dequantize(cpu, quantized);
    const std::int64_t rows = w.shape[0], in = w.shape[1];
    std::vector<double> sums(static_cast<std::size_t>(rows));
    cpu.pool().parallelFor(rows, 8, [&](std::int64_t from, std::int64_t to) {
        std::vector<float> exact(static_cast<std::size_t>(in));
        for (std::int64_t row = from; row < to; ++row) {
            readRow(w, row, "weighted error", exact);
            const float* wide = stored.view().ptr<float>() + row * in;
            const float* weight = sensitivity.ptr<float>() + row * in;
            double sum = 0.0;
            for (std::size_t i = 0; i < exact.size(); ++i) {
                const double away = static_cast<double>(wide[i]) - static_cast<double>(exact[i]);
                sum += static_cast<double>(weight[i]) * away * away;
            }
            sums[static_cast<std::size_t>(row)] = sum;
        }
    });
    return std::accumulate(sums.begin(), sums.end(), 0.0);
}

} // namespace lathe
