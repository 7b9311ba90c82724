// SPDX-License-Identifier: Apache-2.0
#include "engine/quant/lut_rows.h"

#include "engine/core/check.h"
#include "engine/quant/matrix_rows.h"
#include "engine/quant/packing.h"
#include "kernels/core/half.h"
#include "kernels/ops/lut_gemv/lut_gemv.h"

#include <algorithm>
#include <cmath>
#include <numeric>

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

/// The sparse part while it is filled: places are known before the values.
class SparseBuilder {
public:
    SparseBuilder(std::span<const std::int64_t> positions, std::int64_t out, std::int64_t in)
        : m_positions(positions), m_in(in), m_values(positions.size()),
          m_rowPointers(static_cast<std::size_t>(out) + 1) {
        for (const std::int64_t position : positions) {
            ++m_rowPointers[static_cast<std::size_t>(position / in) + 1];
        }
        std::partial_sum(m_rowPointers.begin(), m_rowPointers.end(), m_rowPointers.begin());
    }

    /// Columns of a row, as flat indices; values in the same order.
    std::span<const std::int64_t> positions(std::int64_t row) const {
        return m_positions.subspan(first(row), first(row + 1) - first(row));
    }
    std::span<float> values(std::int64_t row) {
        return std::span(m_values).subspan(first(row), first(row + 1) - first(row));
    }

    std::optional<SparseRows> rows() const {
        if (m_positions.empty()) {
            return {};
        }
        const auto count = static_cast<std::int64_t>(m_values.size());
        constexpr float kLargestHalf = 65504.0F;
        const bool halves = std::ranges::all_of(
            m_values, [](float value) { return std::fabs(value) <= kLargestHalf; });
        const auto pointers = static_cast<std::int64_t>(m_rowPointers.size());
        SparseRows rows{
            Tensor::empty({pointers}, DType::I32, Device{}),
            Tensor::empty({count}, DType::U16, Device{}),
            Tensor::empty({count}, halves ? DType::F16 : DType::F32, Device{})};
        std::ranges::copy(m_rowPointers, rows.rowPointers.view().ptr<std::int32_t>());
        std::ranges::transform(
            m_positions, rows.columns.view().ptr<std::uint16_t>(),
            [this](std::int64_t position) { return static_cast<std::uint16_t>(position % m_in); });
        if (halves) {
            std::ranges::transform(m_values, rows.values.view().ptr<Half>(), toHalf);
        } else {
            std::ranges::copy(m_values, rows.values.view().ptr<float>());
        }
        return rows;
    }

private:
    std::size_t first(std::int64_t row) const {
        return static_cast<std::size_t>(m_rowPointers[static_cast<std::size_t>(row)]);
    }

    std::span<const std::int64_t> m_positions;
    std::int64_t m_in;
    std::vector<float> m_values;
    std::vector<std::int32_t> m_rowPointers;
};

/// What is left of a row without its sparse part.
std::vector<float> without(std::span<const float> row, std::span<const std::int64_t> positions) {
    std::vector<float> left;
    left.reserve(row.size());
    auto next = positions.begin();
    for (std::size_t i = 0; i < row.size(); ++i) {
        const auto size = static_cast<std::int64_t>(row.size());
        if (next != positions.end() && *next % size == static_cast<std::int64_t>(i)) {
            ++next;
        } else {
            left.push_back(row[i]);
        }
    }
    return left;
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
    SparseBuilder sparse(statistics.sparse, out, in);
    auto* packed = reinterpret_cast<std::uint32_t*>(result.packed.view().data);
    auto* tables = result.table.view().ptr<Half>();
    const auto columns = static_cast<std::size_t>(in);
    forEachRow(run, cpu, w, options, [&](std::int64_t row) {
        std::vector<float> values(columns);
        readRow(w, row, statistics.name, values);
        const std::span<const std::int64_t> positions = sparse.positions(row);
        const std::vector<float> dense = without(values, positions);
        std::vector<float> weights;
        if (statistics.sensitivity.data != nullptr) {
            weights = without({statistics.sensitivity.ptr<float>() + row * in, columns}, positions);
        }
        std::vector<float> table(static_cast<std::size_t>(entries));
        if (dense.empty()) {
            std::fill_n(tables + row * entries, entries, Half{});
        } else {
            roundTable(
                cluster(row, dense, weights), statistics.name, row, tables + row * entries, table);
        }
        // Rounding moves the borders between clusters, so every weight chooses again.
        std::vector<std::uint8_t> codes(values.size());
        std::transform(values.begin(), values.end(), codes.begin(), [&table](float value) {
            return static_cast<std::uint8_t>(nearestIndex(table, value));
        });
        const int nearestToZero = nearestIndex(table, 0.0F);
        const std::span<float> beside = sparse.values(row);
        for (std::size_t i = 0; i < positions.size(); ++i) {
            const auto column = static_cast<std::size_t>(positions[i] - row * in);
            codes[column] = static_cast<std::uint8_t>(nearestToZero);
            beside[i] = values[column] - table[static_cast<std::size_t>(nearestToZero)];
        }
        packRow(codes, options.bits, {packed + row * words, static_cast<std::size_t>(words)});
    });
    result.sparse = sparse.rows();
    return result;
}

} // namespace lathe
