// SPDX-License-Identifier: Apache-2.0
#include "engine/base/random.h"
#include "engine/core/check.h"
#include "experiments/metrics.h"
#include "experiments/studies/factories.h"
#include "kernels/core/half.h"
#include "kernels/ops/kmeans_rows/kmeans1d.h"
#include "kernels/ops/kmeans_rows/kmeans_rows.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <map>

namespace lathe {

namespace {

using Clock = std::chrono::steady_clock;

/// Output channels of LLaMA-7B's block matrices by their width: of each of 32 blocks q, k, v, o
/// (4096 rows each), gate and up (11008 each) are 4096 wide, down (4096 rows) is 11008 wide.
struct RowsOfWidth {
    std::int64_t width, rows;
};
constexpr RowsOfWidth kLlama7b[] = {
    {4096, 32 * (4 * 4096 + 2 * 11008)}, {11008, 32 * std::int64_t{4096}}};

constexpr int kMinimumRepeats = 3;
/// Rows whose result is compared with Kmeans1d, bit for bit.
constexpr std::int64_t kCheckedRows = 32;

StudyInfo describeStudy() {
    return {
        .id = "bench.cluster",
        .title = "Clustering of rows",
        .summary = "Times the exact clustering of normal BF16 rows with lognormal weights",
        .paper = "SqueezeLLM (arXiv 2306.07629), section 4.1",
        .params =
            {{.name = "rows",
              .kind = ParamKind::Integer,
              .defaultValue = 1024,
              .help = "Rows clustered at once",
              .minimum = 1,
              .maximum = 1 << 22},
             {.name = "width",
              .kind = ParamKind::Integer,
              .defaultValue = 4096,
              .help = "Weights of a row; with 4096,11008 the time for LLaMA-7B is extrapolated",
              .minimum = 1,
              .maximum = static_cast<double>(kKmeansMaxCudaWidth),
              .sweep = true},
             {.name = "clusters",
              .kind = ParamKind::Integer,
              .defaultValue = 16,
              .help = "Centroids of a row",
              .minimum = 1,
              .maximum = static_cast<double>(kKmeansMaxClusters),
              .sweep = true}},
        .metrics = {
            {"seconds", "Time", "s", -1,
             "Median of --repeat measurements, at least three, after a warm-up; the data lie where "
             "they are clustered"},
            {"seconds_min", "Shortest time", "s", 0, {}},
            {"seconds_max", "Longest time", "s", 0, {}},
            {"rows_per_second", "Rows per second", "1/s", 1, {}},
            {"us_per_row", "Time of a row", "us", -1, {}},
            {"seconds_llama_7b", "Extrapolated to LLaMA-7B", "s", -1,
             "Its 1,359,872 rows at the times of a row of both widths, once this run has measured "
             "both; not a measurement"},
            {"checked_rows", "Compared rows", "", 0,
             "Equal to the processor's clustering bit for bit"}}};
}

/// Random rows, and where the op puts its results; all on the context's device.
class Problem {
public:
    Problem(StudyContext& context, const Spec& spec)
        : m_exec(context.exec), m_rows(spec.params.at("rows").get<std::int64_t>()),
          m_width(spec.params.at("width").get<std::int64_t>()),
          m_clusters(spec.params.at("clusters").get<std::int64_t>()) {
        requireRoom();
        m_values.resize(static_cast<std::size_t>(m_rows * m_width));
        m_weights.resize(m_values.size());
        context.cpu.pool().parallelFor(m_rows, 1, [&](std::int64_t from, std::int64_t to) {
            for (std::int64_t row = from; row < to; ++row) {
                context.run.checkpoint();
                fillRow(row, spec.seed);
            }
        });
        const Shape shape{m_rows, m_width};
        m_deviceValues = uploaded<BFloat16>(m_values, shape);
        m_deviceWeights = uploaded<float>(m_weights, shape);
        m_centroids = Tensor::empty({m_rows, m_clusters}, DType::F64, m_exec.device());
        m_cost = Tensor::empty({m_rows}, DType::F64, m_exec.device());
    }

    void cluster() {
        run(m_exec, KmeansRows{
                        .values = m_deviceValues.view(),
                        .weights = m_deviceWeights.view(),
                        .centroids = m_centroids.view(),
                        .cost = m_cost.view()});
        m_exec.synchronize();
    }

    /// @return how many rows were compared. @throws InternalError when one differs.
    std::int64_t requireCorrect() {
        const std::int64_t checked = std::min(m_rows, kCheckedRows);
        std::vector<double> centroids(static_cast<std::size_t>(m_rows * m_clusters));
        copy(m_exec, m_centroids.view(), viewOf(std::span(centroids), m_centroids.shape()));
        const auto width = static_cast<std::size_t>(m_width);
        for (std::int64_t i = 0; i < checked; ++i) {
            const std::int64_t row = i * m_rows / checked;
            const auto at = static_cast<std::size_t>(row) * width;
            std::vector<float> values(width);
            std::transform(
                m_values.begin() + static_cast<std::ptrdiff_t>(at),
                m_values.begin() + static_cast<std::ptrdiff_t>(at + width), values.begin(),
                [](BFloat16 value) { return toFloat(value); });
            const Clustering wanted = Kmeans1d::optimum(
                values, std::span<const float>(m_weights).subspan(at, width),
                static_cast<int>(m_clusters));
            if (!std::ranges::equal(
                    wanted.centroids, std::span(centroids).subspan(
                                          static_cast<std::size_t>(row * m_clusters),
                                          static_cast<std::size_t>(m_clusters)))) {
                throw InternalError(
                    "kmeans_rows: row " + std::to_string(row) +
                    " has other centroids than the processor finds");
            }
        }
        return checked;
    }

private:
    /// @throws InputError with the sizes when the rows do not fit.
    void requireRoom() {
        constexpr std::int64_t kBytesPerWeight = sizeof(BFloat16) + sizeof(float);
        const std::int64_t needed =
            m_rows * (m_width * kBytesPerWeight + (m_clusters + 1) * std::int64_t{8});
        for (const Device device : {Device{}, m_exec.device()}) {
            const std::int64_t free = deviceInfo(device).freeBytes;
            const std::int64_t wanted = m_exec.device().isCuda() ? needed : 2 * needed;
            LATHE_CHECK(
                wanted <= free,
                "--rows " + std::to_string(m_rows) + " of " + std::to_string(m_width) + " need " +
                    std::to_string(wanted >> 20) + " MiB on " + device.name() + ", where " +
                    std::to_string(free >> 20) + " MiB are free; choose fewer");
        }
    }

    void fillRow(std::int64_t row, std::uint64_t seed) {
        constexpr double kDeviation = 0.02, kLogDeviation = 1.5;
        Random random(Random(seed).next() + static_cast<std::uint64_t>(row));
        for (std::int64_t i = row * m_width; i < (row + 1) * m_width; ++i) {
            const auto at = static_cast<std::size_t>(i);
            m_values[at] = toBFloat16(static_cast<float>(kDeviation * random.normal()));
            m_weights[at] = static_cast<float>(std::exp(kLogDeviation * random.normal()));
        }
    }

    template <class T>
    Tensor uploaded(const std::vector<T>& values, Shape shape) {
        Tensor tensor = Tensor::empty(shape, DTypeOf<T>::value, m_exec.device());
        copy(m_exec, constViewOf<T>(values, shape), tensor.view());
        return tensor;
    }

    ExecContext& m_exec;
    std::int64_t m_rows, m_width, m_clusters;
    std::vector<BFloat16> m_values;
    std::vector<float> m_weights;
    Tensor m_deviceValues, m_deviceWeights, m_centroids, m_cost;
};

/// Seconds for all rows of LLaMA-7B, once this run has measured a row of each width; else null.
Json llamaSeconds(StudyContext& context, const Spec& spec, double secondsPerRow) {
    using ByWidth = std::map<std::int64_t, double>;
    auto& known = context.cache.get<ByWidth>(
        "cluster " + dumpJson(spec.params.at("clusters")), [] { return ByWidth{}; });
    known[spec.params.at("width").get<std::int64_t>()] = secondsPerRow;
    double seconds = 0.0;
    for (const RowsOfWidth& part : kLlama7b) {
        const auto it = known.find(part.width);
        if (it == known.end()) {
            return nullptr;
        }
        seconds += it->second * static_cast<double>(part.rows);
    }
    return jsonNumber(seconds);
}

class BenchCluster : public Study {
public:
    const StudyInfo& info() const override { return m_info; }
    bool loadsModels() const override { return false; }
    Json run(const Spec& spec, StudyContext& context) const override;

private:
    StudyInfo m_info = describeStudy();
};

Json BenchCluster::run(const Spec& spec, StudyContext& context) const {
    context.run.progress(0.0, "making the rows");
    Problem problem(context, spec);
    const int repeats = std::max(spec.repeat, kMinimumRepeats);
    std::vector<double> seconds;
    for (int turn = 0; turn <= repeats; ++turn) {
        context.run.checkpoint();
        context.run.progress(
            0.1 + 0.8 * turn / (repeats + 1), turn == 0 ? "warming up" : "timing the clustering");
        const auto start = Clock::now();
        problem.cluster();
        const std::chrono::duration<double> span = Clock::now() - start;
        if (turn > 0) {
            seconds.push_back(span.count());
        }
    }
    context.run.progress(0.9, "comparing with the processor");
    const std::int64_t checked = problem.requireCorrect();
    const auto rows = spec.params.at("rows").get<double>();
    const double middle = median(seconds);
    Json metrics{
        {"rows_per_second", jsonNumber(rows / middle)},
        {"us_per_row", jsonNumber(1e6 * middle / rows)},
        {"checked_rows", checked}};
    putTiming(metrics, "seconds", seconds);
    const Json extrapolated = llamaSeconds(context, spec, middle / rows);
    if (!extrapolated.is_null()) {
        metrics["seconds_llama_7b"] = extrapolated;
    }
    return metrics;
}

} // namespace

std::unique_ptr<Study> makeBenchCluster() { return std::make_unique<BenchCluster>(); }

} // namespace lathe
