// SPDX-License-Identifier: Apache-2.0
#include "kernels/ops/row_statistics/row_statistics.h"

#include "kernels/core/arguments.h"
#include "kernels/core/dispatch.h"
#include "kernels/ops/row_statistics/row_statistics_simd.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <string>

namespace lathe {

#ifdef LATHE_HAVE_CUDA
namespace cuda {
void launch(ExecContext& context, const RowStatistics& op);
} // namespace cuda
#endif

namespace {

/// Logits that are worth waking another thread for.
constexpr std::int64_t kGrain = 16384;

RowSummary summaryScalar(const float* logits, std::int64_t count) {
    RowSummary summary{.argmax = 0, .largest = -std::numeric_limits<float>::infinity()};
    bool found = false;
    for (std::int64_t v = 0; v < count; ++v) {
        if (logits[v] > summary.largest || (!found && logits[v] == summary.largest)) {
            summary.argmax = v;
            summary.largest = logits[v];
            found = true;
        }
    }
    double sum = 0.0;
    for (std::int64_t v = 0; v < count; ++v) {
        sum += std::exp(static_cast<double>(logits[v]) - static_cast<double>(summary.largest));
    }
    summary.logSumExp = static_cast<double>(summary.largest) + std::log(sum);
    return summary;
}

template <auto SummaryOf>
void rowStatistics(ExecContext& context, const RowStatistics& op) {
    const std::int64_t rows = op.logits.shape[0];
    const std::int64_t stride = op.logits.shape[1];
    const auto* targets = op.targets.ptr<std::int32_t>();
    for (std::int64_t row = 0; row < rows; ++row) {
        LATHE_CHECK(
            targets[row] >= -1 && targets[row] < op.columns,
            "row_statistics: targets[" + std::to_string(row) + "] is " +
                std::to_string(targets[row]) + ", " + std::to_string(op.columns) +
                " columns count");
    }
    const std::int64_t grain = std::max<std::int64_t>(1, kGrain / stride);
    context.pool().parallelFor(rows, grain, [&](std::int64_t from, std::int64_t to) {
        for (std::int64_t row = from; row < to; ++row) {
            const float* logits = op.logits.ptr<float>() + row * stride;
            const RowSummary summary = SummaryOf(logits, op.columns);
            op.argmax.ptr<std::int32_t>()[row] = static_cast<std::int32_t>(summary.argmax);
            float* values = op.values.ptr<float>() + 3 * row;
            values[0] = summary.largest;
            values[1] = static_cast<float>(summary.logSumExp);
            values[2] =
                targets[row] >= 0 ? logits[targets[row]] : std::numeric_limits<float>::quiet_NaN();
        }
    });
}

} // namespace

template <>
std::span<const Kernel<RowStatistics>> kernelsOf<RowStatistics>() {
    static constexpr Kernel<RowStatistics> kTable[] = {
#ifdef LATHE_HAVE_CUDA
        {Target::Cuda, "cuda", cuda::launch},
#endif
        {Target::Avx512, "avx512", rowStatistics<avx512::summaryOfRow>},
        {Target::Avx2, "avx2", rowStatistics<avx2::summaryOfRow>},
        {Target::Scalar, "scalar", rowStatistics<summaryScalar>},
    };
    return kTable;
}

void run(ExecContext& context, const RowStatistics& op) {
    const Arguments arguments("row_statistics", context.device());
    arguments.rank("logits", op.logits, 2);
    arguments.f32("logits", op.logits, op.logits.shape);
    const std::int64_t rows = op.logits.shape[0];
    LATHE_CHECK(
        op.columns > 0 && op.columns <= op.logits.shape[1] &&
            op.columns <= std::numeric_limits<std::int32_t>::max(),
        "row_statistics: " + std::to_string(op.columns) + " columns of logits of " +
            op.logits.shape.text() + "; 1 to all of them can count");
    arguments.i32("targets", op.targets, {rows});
    arguments.i32("argmax", op.argmax, {rows});
    arguments.f32("values", op.values, {rows, 3});
    if (rows > 0) {
        dispatch(context, op, "row_statistics");
    }
}

} // namespace lathe
