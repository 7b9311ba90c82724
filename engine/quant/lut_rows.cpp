// SPDX-License-Identifier: Apache-2.0
#include "engine/quant/lut_rows.h"

#include "engine/core/check.h"
#include "engine/quant/cluster_rows.h"
#include "engine/quant/matrix_rows.h"
#include "engine/quant/packing.h"
#include "kernels/core/half.h"
#include "kernels/ops/lut_gemv/lut_gemv.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <numeric>

namespace lathe {

namespace {

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

/// Elements of a row but those at `positions` (flat indices into the matrix), one after another.
void copyWithout(
    const std::byte* row, std::size_t elementBytes, std::int64_t in,
    std::span<const std::int64_t> positions, std::byte* to) {
    std::int64_t next = 0;
    const auto copyUpTo = [&](std::int64_t end) {
        const std::size_t bytes = static_cast<std::size_t>(end - next) * elementBytes;
        std::memcpy(to, row + static_cast<std::size_t>(next) * elementBytes, bytes);
        to += bytes;
        next = end + 1;
    };
    for (const std::int64_t position : positions) {
        copyUpTo(position % in);
    }
    copyUpTo(in);
}

/// A weight while its rows are filled, in any order and by many threads.
class LutBuilder {
public:
    LutBuilder(ConstView w, const LayerStatistics& statistics, int bits)
        : m_w(w), m_statistics(statistics), m_in(w.shape[1]), m_entries(std::int64_t{1} << bits),
          m_words(packedWords(m_in, bits)),
          m_weight{
              .packed = Tensor::empty({w.shape[0], m_words}, DType::I32, Device{}),
              .table = Tensor::empty({w.shape[0], m_entries}, DType::F16, Device{}),
              .bits = bits,
              .in = m_in},
          m_sparse(statistics.sparse, w.shape[0], m_in) {}

    std::span<const std::int64_t> positions(std::int64_t row) const {
        return m_sparse.positions(row);
    }
    /// All weights of a row, which are finite.
    std::vector<float> values(std::int64_t row) const {
        std::vector<float> all(static_cast<std::size_t>(m_in));
        readRow(m_w, row, m_statistics.name, all);
        return all;
    }
    std::vector<float> dense(std::int64_t row, const std::vector<float>& values) const {
        return without(row, reinterpret_cast<const std::byte*>(values.data()));
    }
    /// Those of the dense weights; empty when nothing is known.
    std::vector<float> sensitivities(std::int64_t row) const {
        const ConstView& all = m_statistics.sensitivity;
        return all.data == nullptr
                   ? std::vector<float>{}
                   : without(
                         row, reinterpret_cast<const std::byte*>(all.ptr<float>() + row * m_in));
    }

    /// @param centroids of the table; empty when all weights of the row are beside it
    void
    store(std::int64_t row, const std::vector<float>& values, std::span<const double> centroids) {
        std::vector<float> table(static_cast<std::size_t>(m_entries));
        roundTable(row, centroids, table);
        // Rounding moves the borders between clusters, so every weight chooses again.
        std::vector<std::uint8_t> codes(values.size());
        std::transform(values.begin(), values.end(), codes.begin(), [&table](float value) {
            return static_cast<std::uint8_t>(nearestIndex(table, value));
        });
        const int nearestToZero = nearestIndex(table, 0.0F);
        const std::span<const std::int64_t> beside = positions(row);
        const std::span<float> differences = m_sparse.values(row);
        for (std::size_t i = 0; i < beside.size(); ++i) {
            const auto column = static_cast<std::size_t>(beside[i] - row * m_in);
            codes[column] = static_cast<std::uint8_t>(nearestToZero);
            differences[i] = values[column] - table[static_cast<std::size_t>(nearestToZero)];
        }
        auto* packed = reinterpret_cast<std::uint32_t*>(m_weight.packed.view().data);
        packRow(codes, m_weight.bits, {packed + row * m_words, static_cast<std::size_t>(m_words)});
    }

    LutWeight finish() {
        m_weight.sparse = m_sparse.rows();
        return std::move(m_weight);
    }

private:
    std::vector<float> without(std::int64_t row, const std::byte* all) const {
        const std::span<const std::int64_t> beside = positions(row);
        std::vector<float> left(static_cast<std::size_t>(m_in) - beside.size());
        copyWithout(all, sizeof(float), m_in, beside, reinterpret_cast<std::byte*>(left.data()));
        return left;
    }

    /// The table of one row as it is stored: centroids rounded to F16, still ascending.
    void roundTable(std::int64_t row, std::span<const double> centroids, std::span<float> table) {
        Half* stored = m_weight.table.view().ptr<Half>() + row * m_entries;
        if (centroids.empty()) {
            std::fill_n(stored, m_entries, Half{});
            return;
        }
        for (std::size_t i = 0; i < table.size(); ++i) {
            stored[i] = toHalf(static_cast<float>(centroids[i]));
            table[i] = toFloat(stored[i]);
            LATHE_CHECK(
                std::isfinite(table[i]), m_statistics.name + ": a centroid of row " +
                                             std::to_string(row) +
                                             " exceeds 65504, the largest F16 number");
        }
    }

    ConstView m_w;
    const LayerStatistics& m_statistics;
    std::int64_t m_in, m_entries, m_words;
    LutWeight m_weight;
    SparseBuilder m_sparse;
};

/// Rows of a matrix without their sparse part: what is left stands at the front of each.
/// @param from of the first row; @return the same dtype, the ends of shorter rows not set
Tensor
gathered(ExecContext& context, ConstView rows, std::int64_t from, const LutBuilder& builder) {
    Tensor result = Tensor::empty(rows.shape, rows.dtype, Device{});
    const std::size_t size = sizeOf(rows.dtype);
    const std::size_t rowBytes = static_cast<std::size_t>(rows.shape[1]) * size;
    std::byte* to = result.view().data;
    context.pool().parallelFor(rows.shape[0], 1, [&](std::int64_t first, std::int64_t end) {
        for (std::int64_t i = first; i < end; ++i) {
            const std::size_t at = static_cast<std::size_t>(i) * rowBytes;
            copyWithout(rows.data + at, size, rows.shape[1], builder.positions(from + i), to + at);
        }
    });
    return result;
}

/// [count] I32: dense weights of the rows from `from` on.
Tensor
denseCounts(const LutBuilder& builder, std::int64_t from, std::int64_t count, std::int64_t in) {
    Tensor result = Tensor::empty({count}, DType::I32, Device{});
    std::int32_t* counts = result.view().ptr<std::int32_t>();
    for (std::int64_t i = 0; i < count; ++i) {
        const auto beside = static_cast<std::int64_t>(builder.positions(from + i).size());
        counts[i] = static_cast<std::int32_t>(in - beside);
    }
    return result;
}

/// Clusters the rows from `from` on at once, on the context's device.
/// @param centroids [count, 2^bits] F64; those of a row that cannot be clustered are NaN
void clusterBatch(
    ExecContext& context, ConstView w, const LayerStatistics& statistics, const LutBuilder& builder,
    std::int64_t from, TensorView centroids) {
    const std::int64_t count = centroids.shape[0];
    Tensor cost = Tensor::empty({count}, DType::F64, Device{});
    KmeansRows op{
        .values = w.slice(from, from + count), .centroids = centroids, .cost = cost.view()};
    if (statistics.sensitivity.data != nullptr) {
        op.weights = statistics.sensitivity.slice(from, from + count);
    }
    Tensor values, weights, lengths; // what the views lie in
    if (!statistics.sparse.empty()) {
        values = gathered(context, op.values, from, builder);
        op.values = values.view();
        if (op.weights.data != nullptr) {
            weights = gathered(context, op.weights, from, builder);
            op.weights = weights.view();
        }
        lengths = denseCounts(builder, from, count, w.shape[1]);
        op.lengths = lengths.view();
    }
    clusterOn(context, op);
}

} // namespace

LutWeight quantizeRows(
    RunControl& run, ExecContext& context, ConstView w, const LayerStatistics& statistics,
    const QuantizeOptions& options, const RowClustering& cluster) {
    LutBuilder builder(w, statistics, options.bits);
    forEachRow(run, context, w, options, [&](std::int64_t row) {
        const std::vector<float> values = builder.values(row);
        const std::vector<float> dense = builder.dense(row, values);
        const Clustering found =
            dense.empty() ? Clustering{} : cluster(row, dense, builder.sensitivities(row));
        builder.store(row, values, found.centroids);
    });
    return builder.finish();
}

LutWeight quantizeRowsOnGpu(
    RunControl& run, ExecContext& cuda, ConstView w, const LayerStatistics& statistics,
    const QuantizeOptions& options) {
    LutBuilder builder(w, statistics, options.bits);
    const std::int64_t rows = w.shape[0];
    const std::int64_t entries = std::int64_t{1} << options.bits;
    const std::int64_t batch = std::min(rows, rowsPerLaunch(cuda, w.shape[1], statistics.name));
    Tensor centroids = Tensor::empty({batch, entries}, DType::F64, Device{});
    const auto size = static_cast<std::size_t>(entries);
    for (std::int64_t from = 0; from < rows; from += batch) {
        run.checkpoint();
        const std::int64_t count = std::min(batch, rows - from);
        clusterBatch(cuda, w, statistics, builder, from, centroids.view().slice(0, count));
        cuda.pool().parallelFor(count, 1, [&](std::int64_t first, std::int64_t end) {
            for (std::int64_t i = first; i < end; ++i) {
                run.checkpoint();
                const std::vector<float> values = builder.values(from + i);
                const bool allSparse = builder.positions(from + i).size() == values.size();
                const std::span<const double> found(
                    centroids.view().ptr<double>() + i * entries, allSparse ? 0 : size);
                if (!found.empty() && std::isnan(found.front())) {
                    checkClusterable(
                        builder.dense(from + i, values), builder.sensitivities(from + i)); // why
                    throw InternalError(
                        statistics.name + ": row " + std::to_string(from + i) +
                        " could not be clustered");
                }
                builder.store(from + i, values, found);
            }
        });
        if (options.onProgress) {
            options.onProgress(static_cast<double>(from + count) / static_cast<double>(rows));
        }
    }
    return builder.finish();
}

} // namespace lathe
