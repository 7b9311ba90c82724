// SPDX-License-Identifier: Apache-2.0
#include "engine/core/check.h"
#include "engine/core/hash.h"
#include "engine/io/safetensors.h"
#include "engine/quant/cluster_rows.h"
#include "engine/quant/lloyd1d.h"
#include "engine/quant/matrix_rows.h"
#include "experiments/studies/factories.h"
#include "experiments/studies/params.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <functional>
#include <limits>
#include <optional>

namespace lathe {

namespace {

using Clock = std::chrono::steady_clock;

StudyInfo describeStudy() {
    return {
        .id = "quant.cluster",
        .title = "Cluster rows",
        .summary = "Clusters every row of a matrix into the centroids of least weighted squared "
                   "error, or as SqueezeLLM's code does",
        .paper = "SqueezeLLM (arXiv 2306.07629), section 4.1",
        .params =
            {{.name = "rows",
              .kind = ParamKind::File,
              .help = "Safetensors file with `weights` [rows, n] and perhaps `sensitivity` "
                      "[rows, n] F32; without that, all count alike",
              .required = true},
             {.name = "clusters",
              .kind = ParamKind::Integer,
              .defaultValue = 16,
              .help = "Centroids of a row",
              .minimum = 1,
              .maximum = static_cast<double>(kKmeansMaxClusters)},
             {.name = "method",
              .kind = ParamKind::Choice,
              .defaultValue = "exact",
              .help = "The optimum, or k-means++ and Lloyd's iterations (always on the processor), "
                      "compared with the optimum",
              .choices = {"exact", "lloyd"}},
             {.name = "out",
              .kind = ParamKind::Text,
              .help = "Safetensors file to write: codes, centroids, cost and, when exact, "
                      "error_curve; refused when it exists",
              .required = true}},
        .metrics = {
            {"rows", "Rows", "", 0, {}},
            {"clusters", "Clusters", "", 0, {}},
            {"cost", "Weighted squared error", "", -1, "Sum over the rows, centroids not rounded"},
            {"seconds", "Time of the clustering", "s", -1, "Without reading, codes and writing"},
            {"rows_per_second", "Rows per second", "1/s", 1, {}},
            {"excess_mean", "Mean excess error", "", -1,
             "Lloyd: (cost - optimum) / optimum, over the rows"},
            {"excess_max", "Largest excess error", "", -1, {}},
            {"output_hash", "Hash of the result", "", 0, "XXH3-128 of the tensors"},
            {"path", "File", "", 0, {}}}};
}

/// The matrix to cluster, checked but for its values.
struct Input {
    std::string name;
    Tensor weights;                    ///< [rows, n] F32, F16 or BF16
    std::optional<Tensor> sensitivity; ///< [rows, n] F32

    std::int64_t rows() const { return weights.shape()[0]; }
    std::int64_t width() const { return weights.shape()[1]; }
    ConstView sensitivitySlice(std::int64_t from, std::int64_t to) const {
        return sensitivity ? sensitivity->view().slice(from, to) : ConstView{};
    }
};

Input readInput(const std::string& path) {
    const SafetensorsFile file = SafetensorsFile::open(path);
    Input input{.name = path, .weights = file.tensor("weights"), .sensitivity = {}};
    const Shape& shape = input.weights.shape();
    const DType dtype = input.weights.dtype();
    LATHE_CHECK(
        shape.rank() == 2 && shape.elementCount() > 0 &&
            (dtype == DType::F32 || dtype == DType::F16 || dtype == DType::BF16),
        path + ": weights is " + shape.text() + " " + std::string(nameOf(dtype)) +
            ", needed is [rows, n] of F32, F16 or BF16, not empty");
    if (file.contains("sensitivity")) {
        input.sensitivity = file.tensor("sensitivity");
        LATHE_CHECK(
            input.sensitivity->shape() == shape && input.sensitivity->dtype() == DType::F32,
            path + ": sensitivity is " + input.sensitivity->shape().text() + " " +
                std::string(nameOf(input.sensitivity->dtype())) + ", needed is " + shape.text() +
                " F32, as weights has it");
    }
    return input;
}

void checkSensitivity(const Input& input, std::int64_t row) {
    if (!input.sensitivity) {
        return;
    }
    const float* from = input.sensitivity->view().ptr<float>() + row * input.width();
    const float* bad = std::find_if_not(
        from, from + input.width(), [](float f) { return std::isfinite(f) && f >= 0.0F; });
    LATHE_CHECK(
        bad == from + input.width(), input.name + ": the sensitivity in row " +
                                         std::to_string(row) + ", column " +
                                         std::to_string(bad - from) + " is " +
                                         (std::isnan(*bad)   ? "NaN"
                                          : std::isinf(*bad) ? "infinite"
                                                             : "negative") +
                                         "; needed are finite numbers from 0");
}

/// The rows of a result, on the host.
struct Output {
    Tensor codes, centroids, cost, curve; ///< curve: null when not wanted

    Output(std::int64_t rows, std::int64_t width, std::int64_t clusters, bool withCurve)
        : codes(Tensor::empty({rows, width}, DType::U8, Device{})),
          centroids(Tensor::empty({rows, clusters}, DType::F64, Device{})),
          cost(Tensor::empty({rows}, DType::F64, Device{})),
          curve(withCurve ? Tensor::empty({rows, clusters}, DType::F64, Device{}) : Tensor{}) {}

    std::vector<NamedTensor> named() const {
        std::vector<NamedTensor> list{
            {"codes", codes.view()}, {"centroids", centroids.view()}, {"cost", cost.view()}};
        if (!curve.isNull()) {
            list.push_back({"error_curve", curve.view()});
        }
        return list;
    }
    std::string hash() const {
        Hasher hasher;
        for (const NamedTensor& tensor : named()) {
            hasher.update({tensor.view.data, tensor.view.bytes()});
        }
        return hasher.hex();
    }
};

/// One run of the study over blocks of rows.
class Clustered {
public:
    Clustered(const Spec& spec, StudyContext& context, const Input& input)
        : m_context(context), m_input(input), m_seed(spec.seed),
          m_clusters(spec.params.at("clusters").get<std::int64_t>()),
          m_lloyd(textOf(spec.params, "method") == "lloyd"),
          m_output(input.rows(), input.width(), m_clusters, !m_lloyd) {}

    void run() {
        // Large enough to keep every core busy, small enough to stop soon.
        constexpr std::int64_t kCpuWeights = 128 * 1024;
        const std::int64_t block =
            m_context.exec.device().isCuda()
                ? rowsPerLaunch(m_context.exec, m_input.width(), m_input.name)
                : std::max<std::int64_t>(
                      4 * m_context.cpu.pool().threadCount(), kCpuWeights / m_input.width());
        for (std::int64_t from = 0; from < m_input.rows(); from += block) {
            m_context.run.checkpoint();
            const std::int64_t to = std::min(from + block, m_input.rows());
            clusterBlock(from, to);
            m_context.run.progress(
                static_cast<double>(to) / static_cast<double>(m_input.rows()),
                std::to_string(to) + " of " + std::to_string(m_input.rows()) + " rows");
        }
    }

    const Output& output() const { return m_output; }
    Json metrics() const {
        const auto rows = static_cast<double>(m_input.rows());
        const auto costs = m_output.cost.view().as<double>();
        double sum = 0.0;
        for (const double cost : costs) {
            sum += cost;
        }
        Json metrics{
            {"rows", m_input.rows()},
            {"clusters", m_clusters},
            {"cost", jsonNumber(sum)},
            {"seconds", jsonNumber(m_seconds)},
            {"rows_per_second", jsonNumber(rows / m_seconds)}};
        if (m_lloyd) {
            metrics["excess_mean"] = jsonNumber(m_excessSum / rows);
            metrics["excess_max"] = jsonNumber(m_excessMax);
        }
        return metrics;
    }

private:
    void
    forRows(std::int64_t from, std::int64_t to, const std::function<void(std::int64_t row)>& body) {
        m_context.cpu.pool().parallelFor(to - from, 1, [&](std::int64_t first, std::int64_t last) {
            for (std::int64_t row = from + first; row < from + last; ++row) {
                m_context.run.checkpoint();
                body(row);
            }
        });
    }

    std::span<float> valuesOf(std::int64_t row, std::int64_t from) {
        const auto width = static_cast<std::size_t>(m_input.width());
        return std::span(m_values).subspan(static_cast<std::size_t>(row - from) * width, width);
    }
    std::span<double> centroidsOf(std::int64_t row) {
        const auto clusters = static_cast<std::size_t>(m_clusters);
        return {m_output.centroids.view().ptr<double>() + row * m_clusters, clusters};
    }

    void clusterBlock(std::int64_t from, std::int64_t to) {
        m_values.resize(static_cast<std::size_t>((to - from) * m_input.width()));
        forRows(from, to, [&](std::int64_t row) {
            readRow(m_input.weights.view(), row, m_input.name, valuesOf(row, from));
            checkSensitivity(m_input, row);
        });
        const auto start = Clock::now();
        clusterOn(
            m_context.exec,
            {.values = m_input.weights.view().slice(from, to),
             .weights = m_input.sensitivitySlice(from, to),
             .centroids = m_output.centroids.view().slice(from, to),
             .cost = m_output.cost.view().slice(from, to),
             .curve = m_lloyd ? TensorView{} : m_output.curve.view().slice(from, to)});
        const auto solved = Clock::now();
        if (m_lloyd) {
            lloydBlock(from, to);
        }
        const std::chrono::duration<double> span = m_lloyd ? Clock::now() - solved : solved - start;
        m_seconds += span.count();
        forRows(from, to, [&](std::int64_t row) {
            std::uint8_t* codes = m_output.codes.view().ptr<std::uint8_t>() + row * m_input.width();
            const std::span<const double> centroids = centroidsOf(row);
            std::ranges::transform(valuesOf(row, from), codes, [centroids](float value) {
                return static_cast<std::uint8_t>(nearestCentroid(centroids, value));
            });
        });
    }

    /// Replaces the optimum of these rows by one start of Lloyd, and notes the difference.
    void lloydBlock(std::int64_t from, std::int64_t to) {
        auto costs = m_output.cost.view().as<double>();
        std::vector<double> excess(static_cast<std::size_t>(to - from));
        forRows(from, to, [&](std::int64_t row) {
            const ConstView sensitivity = m_input.sensitivitySlice(row, row + 1);
            const std::span<const float> weights =
                sensitivity.data == nullptr ? std::span<const float>{} : sensitivity.as<float>();
            Random random = rowRandom(m_seed, row);
            const Clustering found = Lloyd1d(valuesOf(row, from), weights)
                                         .clustering(static_cast<int>(m_clusters), random);
            double& cost = costs[static_cast<std::size_t>(row)];
            excess[static_cast<std::size_t>(row - from)] = excessOver(cost, found.cost);
            cost = found.cost;
            std::ranges::copy(found.centroids, centroidsOf(row).begin());
        });
        for (const double one : excess) {
            m_excessSum += one;
            m_excessMax = std::max(m_excessMax, one);
        }
    }

    StudyContext& m_context;
    const Input& m_input;
    std::uint64_t m_seed;
    std::int64_t m_clusters;
    bool m_lloyd;
    Output m_output;
    std::vector<float> m_values; ///< the block's weights, widened
    double m_seconds = 0.0, m_excessSum = 0.0;
    double m_excessMax = -std::numeric_limits<double>::infinity();
};

class QuantCluster : public Study {
public:
    const StudyInfo& info() const override { return m_info; }
    bool loadsModels() const override { return false; }
    Json run(const Spec& spec, StudyContext& context) const override;

private:
    StudyInfo m_info = describeStudy();
};

Json QuantCluster::run(const Spec& spec, StudyContext& context) const {
    const std::filesystem::path path = freeFile(spec.params);
    LATHE_CHECK(!path.empty(), "--out must name a file");
    const Input input = readInput(textOf(spec.params, "rows"));
    Clustered clustered(spec, context, input);
    clustered.run();
    context.run.checkpoint();
    Json metrics = clustered.metrics();
    writeSafetensors(
        path, clustered.output().named(),
        {{"clusters", dumpJson(metrics.at("clusters"))},
         {"method", textOf(spec.params, "method")},
         {"seed", std::to_string(spec.seed)}});
    metrics["output_hash"] = clustered.output().hash();
    metrics["path"] = path.string();
    return metrics;
}

} // namespace

std::unique_ptr<Study> makeQuantCluster() { return std::make_unique<QuantCluster>(); }

} // namespace lathe
