// SPDX-License-Identifier: Apache-2.0
#include "engine/quant/matrix_rows.h"

#include "engine/core/check.h"
#include "kernels/core/widen.h"
#include "kernels/ops/spmv_csr/spmv_csr.h"

#include <algorithm>
#include <cmath>

namespace lathe {

namespace {

/// Weights between two reports of progress: at the slowest setting a quarter of a second.
constexpr std::int64_t kReportWeights = 128 * 1024;

} // namespace

void checkQuantizable(
    const QuantizerInfo& info, ConstView w, const LayerStatistics& statistics,
    const QuantizeOptions& options) {
    const std::string where = info.id + ": " + statistics.name;
    LATHE_CHECK(
        options.bits >= info.minimumBits && options.bits <= info.maximumBits,
        where + ": " + std::to_string(options.bits) + " bits, possible are " +
            std::to_string(info.minimumBits) + " to " + std::to_string(info.maximumBits));
    LATHE_CHECK(
        options.groupSize >= 0, where + ": groups of " + std::to_string(options.groupSize) +
                                    ", needed is 0 (a whole row) or more");
    LATHE_CHECK(
        w.shape.rank() == 2 && !w.empty(),
        where + " is " + w.shape.text() + ", needed is a matrix [out, in] that is not empty");
    LATHE_CHECK(
        w.dtype == DType::F32 || w.dtype == DType::F16 || w.dtype == DType::BF16,
        where + " is " + std::string(nameOf(w.dtype)) + ", needed is F32, F16 or BF16");
    LATHE_CHECK(!w.device.isCuda(), where + " is on " + w.device.name() + ", needed is the host");
    const ConstView& sensitivity = statistics.sensitivity;
    LATHE_CHECK(
        sensitivity.data == nullptr ||
            (sensitivity.dtype == DType::F32 && sensitivity.shape == w.shape &&
             !sensitivity.device.isCuda()),
        where + ": its sensitivities are " + sensitivity.shape.text() + ", needed is " +
            w.shape.text() + " of F32 on the host");
    LATHE_CHECK(
        !info.usesSensitivity || sensitivity.data != nullptr,
        where + ": the method weighs errors by sensitivities, of which there are none");
    const ConstView& hessian = statistics.hessian;
    LATHE_CHECK(
        hessian.data == nullptr ||
            (hessian.dtype == DType::F32 && hessian.shape.rank() == 3 && hessian.shape[0] >= 1 &&
             hessian.shape[0] <= w.shape[0] && hessian.shape[1] == w.shape[1] &&
             hessian.shape[2] == w.shape[1] && !hessian.device.isCuda()),
        where + ": its Hessians are " + hessian.shape.text() + ", needed is [groups, " +
            std::to_string(w.shape[1]) + ", " + std::to_string(w.shape[1]) +
            "] of F32 on the host, of 1 to " + std::to_string(w.shape[0]) + " groups");
    LATHE_CHECK(
        !info.usesHessian || hessian.data != nullptr,
        where + ": the method weighs the errors of outputs by Hessians, of which there are none");
    LATHE_CHECK(
        statistics.sparse.empty() || w.shape[1] <= kMostSparseColumns,
        where + " has " + std::to_string(w.shape[1]) +
            " columns; the sparse part names at most 65536");
    LATHE_CHECK(
        statistics.sparse.empty() ||
            (statistics.sparse.front() >= 0 && statistics.sparse.back() < w.elementCount() &&
             std::ranges::adjacent_find(statistics.sparse, std::greater_equal<>()) ==
                 statistics.sparse.end()),
        where + ": the positions of the sparse part are not ascending indices into it");
}

LayerStatistics usedBy(const QuantizerInfo& info, const LayerStatistics& statistics) {
    return {
        .name = statistics.name,
        .sensitivity = info.usesSensitivity ? statistics.sensitivity : ConstView{},
        .hessian = info.usesHessian ? statistics.hessian : ConstView{},
        .sparse = info.usesSparse ? statistics.sparse : std::span<const std::int64_t>{}};
}

void readRow(ConstView w, std::int64_t row, const std::string& name, std::span<float> values) {
    widen(w, row * w.shape[1], values);
    const auto bad =
        std::find_if(values.begin(), values.end(), [](float v) { return !std::isfinite(v); });
    if (bad != values.end()) {
        throw InputError(
            name + ": the weight in row " + std::to_string(row) + ", column " +
            std::to_string(bad - values.begin()) + " is " +
            (std::isnan(*bad) ? "NaN" : "infinite") + "; only finite weights can be quantized");
    }
}

void forEachRow(
    const RunControl& run, ExecContext& context, ConstView w, const QuantizeOptions& options,
    const std::function<void(std::int64_t row)>& body) {
    const std::int64_t rows = w.shape[0];
    const std::int64_t block = std::max<std::int64_t>(1, kReportWeights / w.shape[1]);
    for (std::int64_t start = 0; start < rows; start += block) {
        const std::int64_t count = std::min(block, rows - start);
        context.pool().parallelFor(count, 1, [&](std::int64_t from, std::int64_t to) {
            for (std::int64_t i = from; i < to; ++i) {
                run.checkpoint();
                body(start + i);
            }
        });
        if (options.onProgress) {
            options.onProgress(static_cast<double>(start + count) / static_cast<double>(rows));
        }
    }
}

} // namespace lathe
