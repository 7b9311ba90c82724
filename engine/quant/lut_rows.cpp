// SPDX-License-Identifier: Apache-2.0
#include "engine/quant/lut_rows.h"

#include "engine/core/check.h"
#include "engine/quant/matrix_rows.h"
#include "engine/quant/packing.h"
#include "kernels/core/half.h"
#include "kernels/ops/lut_gemv/lut_gemv.h"

#include <algorithm>
#include <cmath>

namespace lathe {

namespace {

/// The table of one row as it is stored: centroids rounded to F16, still ascending.
void roundTable(
    const Clustering& clustering, const std::string& name, std::int64_t row, Half* stored,
    std::span<float> table) {
    for (std::size_t i = 0; i < table.size(); ++i) {
        stored[i] = toHalf(static_cast<float>(clustering.centroids[i]));
        table[i] = toFloat(stored[i]);
        LATHE_CHECK(
            std::isfinite(table[i]), name + ": a centroid of row " + std::to_string(row) +
                                         " exceeds 65504, the largest F16 number");
    }
}

} // namespace

LutWeight quantizeRows(
    RunControl& run, ExecContext& cpu, ConstView w, const LayerStatistics& statistics,
    const QuantizeOptions& options, const RowClustering& cluster) {
    const std::int64_t out = w.shape[0], in = w.shape[1];
    const std::int64_t entries = std::int64_t{1} << options.bits;
    const std::int64_t words = packedWords(in, options.bits);
    LutWeight result{
        .packed = Tensor::empty({out, words}, DType::I32, Device{}),
        .table = Tensor::empty({out, entries}, DType::F16, Device{}),
        .bits = options.bits,
        .in = in};
    auto* packed = reinterpret_cast<std::uint32_t*>(result.packed.view().data);
    auto* tables = result.table.view().ptr<Half>();
    forEachRow(run, cpu, w, options, [&](std::int64_t row) {
        std::vector<float> values(static_cast<std::size_t>(in));
        readRow(w, row, statistics.name, values);
        std::span<const float> weights;
        if (statistics.sensitivity.data != nullptr) {
            weights = {
                statistics.sensitivity.ptr<float>() + row * in, static_cast<std::size_t>(in)};
        }
        std::vector<float> table(static_cast<std::size_t>(entries));
        roundTable(
            cluster(row, values, weights), statistics.name, row, tables + row * entries, table);
        // Rounding moves the borders between clusters, so every weight chooses again.
        std::vector<std::uint8_t> codes(values.size());
        std::transform(values.begin(), values.end(), codes.begin(), [&table](float value) {
            return static_cast<std::uint8_t>(nearestIndex(table, value));
        });
        packRow(codes, options.bits, {packed + row * words, static_cast<std::size_t>(words)});
    });
    return result;
}

} // namespace lathe
