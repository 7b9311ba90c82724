// SPDX-License-Identifier: Apache-2.0
#include "engine/quant/error_curve.h"

#include "engine/quant/kmeans1d.h"
#include "engine/quant/matrix_rows.h"
#include "engine/quant/outliers.h"
#include "kernels/ops/lut_gemv/lut_gemv.h"
#include "kernels/ops/spmv_csr/spmv_csr.h"

#include <algorithm>
#include <cmath>
#include <iterator>
#include <numeric>

namespace lathe {

namespace {

constexpr int kMostBits = 8;

/// The most bits at which a table per row is smaller than the row itself in F16.
int mostUsefulBits(std::int64_t in) {
    int bits = kMostBits;
    while (bits > 1 && lutBytes(1, in, bits, 0) >= 2 * in) {
        --bits;
    }
    return bits;
}

std::int64_t sparseCountOf(double percent, std::int64_t weights) {
    return static_cast<std::int64_t>(percent / 100.0 * static_cast<double>(weights));
}

/// The values and weights of one row that take part in its clustering.
struct Row {
    std::vector<float> values, weights;

    /// Nothing to lose: k-means would count every value alike.
    bool isFree() const {
        return std::ranges::all_of(weights, [](float weight) { return weight == 0.0F; });
    }
};

/// What a weight saves by leaving a row's table of k entries: its own error, or more where it keeps
/// an entry from the others. A cluster that leaves as a whole saves its error and what one more
/// entry is worth to the row; an outlier that has an entry for itself has no error of its own.
/// @return the row's cost
double rowSavings(const Row& row, int k, std::span<float> savings) {
    struct Cluster {
        double error = 0.0, members = 0.0;
    };
    const Kmeans1d solved(row.values, row.weights, k + 1);
    const Clustering tables = solved.clustering(k);
    const std::vector<double> curve = solved.errorCurve();
    const double entry =
        curve[static_cast<std::size_t>(k) - 1] - curve[static_cast<std::size_t>(k)];
    std::vector<Cluster> clusters(tables.centroids.size());
    std::vector<std::size_t> codes(row.values.size());
    for (std::size_t i = 0; i < codes.size(); ++i) {
        codes[i] = static_cast<std::size_t>(nearestCentroid(tables.centroids, row.values[i]));
        const double away = static_cast<double>(row.values[i]) - tables.centroids[codes[i]];
        const double error = static_cast<double>(row.weights[i]) * away * away;
        savings[i] = static_cast<float>(error);
        clusters[codes[i]].error += error;
        clusters[codes[i]].members += row.weights[i] > 0.0F ? 1.0 : 0.0;
    }
    for (std::size_t i = 0; i < codes.size(); ++i) {
        const Cluster& cluster = clusters[codes[i]];
        if (row.weights[i] > 0.0F) {
            savings[i] =
                std::max(savings[i], static_cast<float>((cluster.error + entry) / cluster.members));
        }
    }
    return tables.cost;
}

/// A matrix while its curve is worked out.
class CurveMaker {
public:
    CurveMaker(
        RunControl& run, ExecContext& cpu, ConstView w, const LayerStatistics& statistics,
        std::function<void(double)> onProgress)
        : m_run(run), m_cpu(cpu), m_w(w), m_statistics(statistics),
          m_onProgress(std::move(onProgress)), m_in(static_cast<std::size_t>(w.shape[1])),
          m_costs(static_cast<std::size_t>(w.shape[0])) {
        checkQuantizable(
            quantizers().at("squeezellm").info(), w, {statistics.name, statistics.sensitivity},
            {.bits = 1});
    }

    std::vector<CurvePoint> curve() {
        const int most = mostUsefulBits(m_w.shape[1]);
        const int mostSparse =
            m_w.shape[1] <= kMostSparseColumns ? std::min(most, kMostSparseBits) : 0;
        // Time is about that of so many layers of the dynamic program; a sparse curve takes two.
        const double all = std::ldexp(1.0, most) + 2.0 * (std::ldexp(2.0, mostSparse) - 2.0);
        m_passShare = std::ldexp(1.0, most) / all;
        const std::vector<double> dense = denseErrors(most);
        std::vector<CurvePoint> points;
        for (int bits = 1; bits <= most; ++bits) {
            points.push_back(pointOf(bits, 0.0, 0, dense[static_cast<std::size_t>(bits) - 1]));
            if (bits <= mostSparse) {
                m_done += m_passShare;
                m_passShare = 2.0 * std::ldexp(1.0, bits) / all;
                addSparse(bits, points);
            }
        }
        return points;
    }

    /// What each weight's leaving the tables of 2^bits entries saves, [out, in]; fills m_costs.
    Tensor savings(int bits) {
        Tensor result = Tensor::empty(m_w.shape, DType::F32, Device{});
        float* first = result.view().ptr<float>();
        forEach([&](std::int64_t index) {
            const auto at = static_cast<std::size_t>(index);
            const Row row = rowWithout(index);
            const std::span<float> own(first + at * m_in, m_in);
            m_costs[at] = row.isFree() ? 0.0 : rowSavings(row, 1 << bits, own);
            if (row.isFree()) {
                std::ranges::fill(own, 0.0F);
            }
        });
        return result;
    }

private:
    void forEach(const std::function<void(std::int64_t)>& body) {
        QuantizeOptions options;
        if (m_onProgress) {
            options.onProgress = [this](double share) {
                m_onProgress(m_done + m_passShare * share);
            };
        }
        forEachRow(m_run, m_cpu, m_w, options, body);
    }

    /// Values may only be left out once m_taken is as large as the matrix.
    Row rowWithout(std::int64_t index) const {
        Row row{std::vector<float>(m_in), {}};
        readRow(m_w, index, m_statistics.name, row.values);
        const std::size_t start = static_cast<std::size_t>(index) * m_in;
        const float* weights = m_statistics.sensitivity.ptr<float>() + start;
        row.weights.assign(weights, weights + m_in);
        if (m_taken.empty()) {
            return row;
        }
        std::size_t kept = 0;
        for (std::size_t i = 0; i < m_in; ++i) {
            if (m_taken[start + i] == 0) {
                row.values[kept] = row.values[i];
                row.weights[kept++] = row.weights[i];
            }
        }
        row.values.resize(kept);
        row.weights.resize(kept);
        return row;
    }

    /// Of 1 .. most bits.
    std::vector<double> denseErrors(int most) {
        const auto widths = static_cast<std::size_t>(most);
        std::vector<double> costs(m_costs.size() * widths);
        forEach([&](std::int64_t index) {
            const Row row = rowWithout(index);
            if (row.isFree()) {
                return;
            }
            std::vector<double> curve;
            Kmeans1d::optimum(row.values, row.weights, 1 << most, &curve);
            for (std::size_t i = 0; i < widths; ++i) {
                costs[static_cast<std::size_t>(index) * widths + i] =
                    curve[(std::size_t{2} << i) - 1];
            }
        });
        std::vector<double> errors(widths);
        for (std::size_t i = 0; i < costs.size(); ++i) {
            errors[i % widths] += costs[i];
        }
        return errors;
    }

    void addSparse(int bits, std::vector<CurvePoint>& points) {
        const std::int64_t weights = m_w.elementCount();
        const Tensor values = savings(bits);
        const std::span<const float> saved = values.view().as<float>();
        std::vector<std::int64_t> order =
            largest(values.view(), sparseCountOf(*std::rbegin(kCurveSparsities), weights));
        std::ranges::stable_sort(order, [saved](std::int64_t a, std::int64_t b) {
            return saved[static_cast<std::size_t>(a)] > saved[static_cast<std::size_t>(b)];
        });
        m_taken.assign(static_cast<std::size_t>(weights), 0);
        std::size_t taken = 0;
        for (const double sparsity : kCurveSparsities) {
            const auto count = static_cast<std::size_t>(sparseCountOf(sparsity, weights));
            if (count == taken) {
                continue; // a small matrix
            }
            take(
                {order.begin() + static_cast<std::ptrdiff_t>(taken),
                 order.begin() + static_cast<std::ptrdiff_t>(count)},
                bits);
            taken = count;
            points.push_back(pointOf(
                bits, sparsity, static_cast<std::int64_t>(count),
                std::accumulate(m_costs.begin(), m_costs.end(), 0.0)));
        }
        m_taken.clear();
    }

    /// Clusters the rows again that these weights are of.
    void take(std::span<const std::int64_t> positions, int bits) {
        std::vector<std::int64_t> rows;
        for (const std::int64_t position : positions) {
            m_taken[static_cast<std::size_t>(position)] = 1;
            rows.push_back(position / m_w.shape[1]);
        }
        std::ranges::sort(rows);
        rows.erase(std::unique(rows.begin(), rows.end()), rows.end());
        const auto count = static_cast<std::int64_t>(rows.size());
        m_cpu.pool().parallelFor(count, 1, [&](std::int64_t from, std::int64_t to) {
            for (std::int64_t i = from; i < to; ++i) {
                m_run.checkpoint();
                const std::int64_t index = rows[static_cast<std::size_t>(i)];
                const Row row = rowWithout(index);
                m_costs[static_cast<std::size_t>(index)] =
                    row.isFree() ? 0.0 : Kmeans1d::optimum(row.values, row.weights, 1 << bits).cost;
            }
        });
    }

    /// A sparse value is the difference to a table's entry, so of twice the largest weight at most.
    CurvePoint pointOf(int bits, double sparsity, std::int64_t count, double error) {
        if (count > 0 && !m_isWide) {
            constexpr float kHalfOfLargest = 32752.0F;
            m_isWide = largestMagnitude() > kHalfOfLargest;
        }
        const bool wide = count > 0 && *m_isWide;
        return {
            bits, sparsity, count, lutBytes(m_w.shape[0], m_w.shape[1], bits, count, wide), error};
    }
    float largestMagnitude() const {
        std::vector<float> values(m_in);
        float most = 0.0F;
        for (std::int64_t row = 0; row < m_w.shape[0]; ++row) {
            readRow(m_w, row, m_statistics.name, values);
            for (const float value : values) {
                most = std::max(most, std::fabs(value));
            }
        }
        return most;
    }

    RunControl& m_run;
    ExecContext& m_cpu;
    ConstView m_w;
    LayerStatistics m_statistics;
    std::function<void(double)> m_onProgress;
    std::size_t m_in;
    std::vector<double> m_costs;       ///< of each row, with what is not taken
    std::vector<std::uint8_t> m_taken; ///< [out * in]; empty: nothing is
    std::optional<bool> m_isWide;
    double m_done = 0.0, m_passShare = 1.0;
};

} // namespace

std::int64_t
lutBytes(std::int64_t out, std::int64_t in, int bits, std::int64_t sparseCount, bool wideValues) {
    const std::int64_t tables = 2 * (std::int64_t{1} << bits);
    const std::int64_t dense = out * (4 * packedWords(in, bits) + tables);
    return sparseCount == 0 ? dense : dense + 4 * (out + 1) + (wideValues ? 6 : 4) * sparseCount;
}

std::vector<CurvePoint> errorCurve(
    RunControl& run, ExecContext& cpu, ConstView w, const LayerStatistics& statistics,
    const std::function<void(double share)>& onProgress) {
    return CurveMaker(run, cpu, w, statistics, onProgress).curve();
}

std::vector<std::int64_t> sparseBySaving(
    RunControl& run, ExecContext& cpu, ConstView w, const LayerStatistics& statistics, int bits,
    std::int64_t count) {
    if (count == 0) {
        return {};
    }
    return largest(CurveMaker(run, cpu, w, statistics, {}).savings(bits).view(), count);
}

} // namespace lathe
