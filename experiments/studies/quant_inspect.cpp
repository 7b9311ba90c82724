// SPDX-License-Identifier: Apache-2.0
#include "engine/core/check.h"
#include "engine/core/hash.h"
#include "engine/quant/lloyd1d.h"
#include "engine/quant/matrix_rows.h"
#include "engine/quant/quantizer.h"
#include "experiments/elapsed.h"
#include "experiments/quantize_model.h"
#include "experiments/scoring.h"
#include "experiments/studies/factories.h"
#include "experiments/studies/params.h"
#include "kernels/core/half.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

namespace lathe {

namespace {

constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();
constexpr int kMostBits = 8;
constexpr std::size_t kBins = 256;
/// Entries of a method's tables of 1, 2, ... 8 bits, one after another: that of b bits begins at
/// 2^b - 2.
constexpr std::size_t kEntries = (2U << kMostBits) - 2;
constexpr std::size_t kNamedModules = 3; ///< in the message on an unknown one

std::vector<ParamSpec> describeParams() {
    std::vector<ParamSpec> params{modelParam()};
    append<ParamSpec>(
        params,
        {{.name = "tensor",
          .kind = ParamKind::Text,
          .help = "Module whose matrix is looked into, as model.layers.0.mlp.down_proj",
          .required = true},
         {.name = "row",
          .kind = ParamKind::Integer,
          .defaultValue = -1,
          .help = "Its output row that is looked into; -1: the one with most of sensitivity * "
                  "squared error",
          .minimum = -1,
          .maximum = 1 << 30},
         {.name = "bits",
          .kind = ParamKind::Integer,
          .defaultValue = 4,
          .help = "Bits that the matrix is quantized to; the row's tables are of 1 to 8 anyway",
          .unit = "bit",
          .minimum = 1,
          .maximum = kMostBits},
         {.name = "method",
          .kind = ParamKind::Choice,
          .defaultValue = "squeezellm",
          .help = "How the matrix is quantized",
          .choices = {"squeezellm", "lloyd", "kmeans", "rtn"}},
         {.name = "tiles",
          .kind = ParamKind::Integer,
          .defaultValue = 64,
          .help = "Tiles that rows and columns are put together into, at most so many each way",
          .minimum = 1,
          .maximum = 256,
          .advanced = true}});
    append(params, calibrationParams());
    return params;
}

StudyInfo describeStudy() {
    return {
        .id = "quant.inspect",
        .title = "Look into a matrix",
        .summary = "Shows where in one matrix of a language model its sensitivities and its "
                   "quantization errors lie, and the tables that each method gives to one row",
        .paper = "SqueezeLLM (arXiv 2306.07629)",
        .params = describeParams(),
        .metrics = {
            {"rows", "Rows", "", 0, {}},
            {"columns", "Columns", "", 0, {}},
            {"sensitivity", "Sensitivity", "", 0, "Sum over the matrix"},
            {"squared_error", "Squared error", "", -1, "Sum over the matrix, as it is stored"},
            {"weighted_error", "Weighted error", "", -1,
             "Sum of sensitivity * squared error over the matrix"},
            {"predicted_kl", "Predicted KL divergence", "nat", -1,
             "Half of T times the weighted error, T being the predictions of a sample"},
            {"tile_rows", "Tiles down", "", 0, "Tile i is rows i * rows / tiles and on"},
            {"tile_columns", "Tiles across", "", 0, {}},
            {"row", "Row", "", 0, "The one that is looked into"},
            {"row_share", "Its share of the weighted error", "", 0, {}},
            {"row_sensitivity", "Sensitivity of the row", "", 0, {}},
            {"row_low", "Least weight of the row", "", 0, {}},
            {"row_high", "Largest weight of the row", "", 0, {}},
            {"errors", "Weighted errors of the row", "", 0,
             "Of each method's tables by bits, before they are rounded to F16; excess: (error - "
             "exact) / exact"},
            {"cached", "Sensitivities from the cache", "", 0, {}},
            {"seconds", "Time", "s", -1, "Without loading the model"},
            {"output_hash", "Hash of the arrays", "", 0, "XXH3-128"}}};
}

/// Sensitivity, squared error, and their product.
constexpr std::size_t kQuantities = 3;
using Sums = std::array<double, kQuantities>;

/// Sums over tiles and over rows of one matrix.
struct MatrixSums {
    std::int64_t tileRows, tileColumns;
    std::vector<Sums> tiles; ///< [tileRows * tileColumns]
    std::vector<Sums> rows;  ///< [rows]
};

/// Where part i of `parts` equal ones of `count` begins.
std::int64_t beginOf(std::int64_t i, std::int64_t parts, std::int64_t count) {
    return i * count / parts;
}

/// @param w [out, in] floats  @param stored, sensitivity [out, in] F32; all on the host
MatrixSums sumsOf(
    StudyContext& context, const std::string& name, ConstView w, ConstView stored,
    ConstView sensitivity, std::int64_t mostTiles) {
    const std::int64_t out = w.shape[0], in = w.shape[1];
    MatrixSums sums{std::min(mostTiles, out), std::min(mostTiles, in), {}, {}};
    sums.tiles.resize(static_cast<std::size_t>(sums.tileRows * sums.tileColumns));
    sums.rows.resize(static_cast<std::size_t>(out));
    context.cpu.pool().parallelFor(sums.tileRows, 1, [&](std::int64_t first, std::int64_t last) {
        std::vector<float> exact(static_cast<std::size_t>(in));
        const std::int64_t to = beginOf(last, sums.tileRows, out);
        std::int64_t tileRow = first;
        for (std::int64_t row = beginOf(first, sums.tileRows, out); row < to; ++row) {
            context.run.checkpoint();
            tileRow += row == beginOf(tileRow + 1, sums.tileRows, out) ? 1 : 0;
            readRow(w, row, name, exact);
            const float* wide = stored.ptr<float>() + row * in;
            const float* f = sensitivity.ptr<float>() + row * in;
            Sums& whole = sums.rows[static_cast<std::size_t>(row)];
            for (std::int64_t c = 0; c < sums.tileColumns; ++c) {
                Sums part{};
                const std::int64_t end = beginOf(c + 1, sums.tileColumns, in);
                for (std::int64_t j = beginOf(c, sums.tileColumns, in); j < end; ++j) {
                    const double away = static_cast<double>(wide[j]) -
                                        static_cast<double>(exact[static_cast<std::size_t>(j)]);
                    const auto weight = static_cast<double>(f[j]);
                    part[0] += weight;
                    part[1] += away * away;
                    part[2] += weight * away * away;
                }
                Sums& tile = sums.tiles[static_cast<std::size_t>(tileRow * sums.tileColumns + c)];
                for (std::size_t q = 0; q < kQuantities; ++q) {
                    tile[q] += part[q];
                    whole[q] += part[q];
                }
            }
        }
    });
    return sums;
}

/// What one method makes of a row, for every bit count.
struct RowTables {
    std::vector<double> entries = std::vector<double>(kEntries, kNaN); ///< NaN: no such table
    std::array<double, kMostBits> errors{};

    RowTables() { errors.fill(kNaN); }
    void set(int bits, std::span<const double> table, double error) {
        std::ranges::copy(table, entries.begin() + (1 << bits) - 2);
        errors[static_cast<std::size_t>(bits) - 1] = error;
    }
};

/// One row of the matrix under all three methods.
class InspectedRow {
public:
    InspectedRow(const std::string& name, ConstView w, ConstView sensitivity, std::int64_t row)
        : m_name(name), m_row(row), m_view(w.slice(row, row + 1)),
          m_values(static_cast<std::size_t>(w.shape[1])) {
        readRow(w, row, name, m_values);
        const auto f = sensitivity.slice(row, row + 1).as<float>();
        m_sensitivity.assign(f.begin(), f.end());
        // As clusterings have it: where nothing counts, all weights count alike.
        m_counts = m_sensitivity;
        if (std::ranges::all_of(m_counts, [](float one) { return one == 0.0F; })) {
            std::ranges::fill(m_counts, 1.0F);
        }
    }

    double low() const { return static_cast<double>(std::ranges::min(m_values)); }
    double high() const { return static_cast<double>(std::ranges::max(m_values)); }

    /// [2, kBins]: how many weights are in each of equal parts of low..high, and the sum of their
    /// sensitivities.
    std::vector<float> histogram() const {
        std::vector<double> bins(2 * kBins, 0.0);
        const double width = high() - low();
        for (std::size_t i = 0; i < m_values.size(); ++i) {
            const double share =
                width > 0.0 ? (static_cast<double>(m_values[i]) - low()) / width : 0.0;
            const std::size_t bin =
                std::min(static_cast<std::size_t>(share * static_cast<double>(kBins)), kBins - 1);
            bins[bin] += 1.0;
            bins[kBins + bin] += static_cast<double>(m_sensitivity[i]);
        }
        return {bins.begin(), bins.end()};
    }

    /// The optima: one dynamic program for all bit counts.
    RowTables exact() const {
        RowTables tables;
        const Kmeans1d all(m_values, m_counts, 1 << kMostBits);
        for (int bits = 1; bits <= kMostBits; ++bits) {
            const Clustering found = all.clustering(1 << bits);
            tables.set(bits, found.centroids, found.cost);
        }
        return tables;
    }
    /// With the numbers that the quantizer draws for this row of the whole matrix.
    RowTables lloyd() const {
        RowTables tables;
        const Lloyd1d all(m_values, m_counts);
        for (int bits = 1; bits <= kMostBits; ++bits) {
            Random random = rowRandom(kLloydSeed, m_row);
            const Clustering found = all.clustering(1 << bits, random);
            tables.set(bits, found.centroids, found.cost);
        }
        return tables;
    }
    RowTables rtn(StudyContext& context) const {
        RowTables tables;
        const Quantizer& quantizer = quantizers().at("rtn");
        for (int bits = quantizer.info().minimumBits; bits <= kMostBits; ++bits) {
            const Weight weight = quantizer.quantize(
                context.run, context.cpu, m_view, {.name = m_name}, {.bits = bits});
            const auto& grid = std::get<GroupWeight>(weight);
            const auto scale = static_cast<double>(toFloat(grid.scale.view().as<Half>()[0]));
            const int zero = grid.zero.view().as<std::uint8_t>()[0];
            std::vector<double> levels;
            levels.reserve(std::size_t{1} << bits);
            for (int code = 0; code < 1 << bits; ++code) {
                levels.push_back(scale * (code - zero));
            }
            tables.set(bits, levels, errorOf(dequantize(context.cpu, weight).view().as<float>()));
        }
        return tables;
    }

private:
    double errorOf(std::span<const float> stored) const {
        double sum = 0.0;
        for (std::size_t i = 0; i < m_values.size(); ++i) {
            const double away = static_cast<double>(stored[i]) - static_cast<double>(m_values[i]);
            sum += static_cast<double>(m_counts[i]) * away * away;
        }
        return sum;
    }

    const std::string& m_name;
    std::int64_t m_row;
    ConstView m_view;
    std::vector<float> m_values, m_sensitivity, m_counts;
};

/// Sends arrays and hashes what they hold.
class ArrayOutput {
public:
    explicit ArrayOutput(RunControl& run) : m_run(run) {}

    template <class T>
    void send(
        const std::string& name, const char* dtype, std::vector<std::int64_t> shape,
        const std::vector<T>& values) {
        const auto bytes = std::as_bytes(std::span(values));
        m_hasher.update(bytes);
        m_run.emit(ArrayReady{name, dtype, std::move(shape), {bytes.begin(), bytes.end()}});
    }
    /// [quantity, item] F32.
    void
    send(const std::string& name, std::vector<std::int64_t> shape, std::span<const Sums> sums) {
        std::vector<float> values;
        for (std::size_t q = 0; q < kQuantities; ++q) {
            for (const Sums& one : sums) {
                values.push_back(static_cast<float>(one[q]));
            }
        }
        shape.insert(shape.begin(), std::int64_t{kQuantities});
        send(name, "F32", std::move(shape), values);
    }
    std::string hash() const { return m_hasher.hex(); }

private:
    RunControl& m_run;
    Hasher m_hasher;
};

/// The matrix that --tensor names. @throws InputError naming a few that there are.
const Linear& matrixOf(const LoadedModel& model, const std::string& name) {
    const auto modules = std::as_const(*model.model).modules();
    std::string some;
    for (std::size_t i = 0; i < modules.size(); ++i) {
        if (modules[i].first == name) {
            return *modules[i].second;
        }
        some += i < kNamedModules ? modules[i].first + ", " : "";
    }
    throw InputError(
        "--tensor: " + name + " is no matrix of " + model.name + "; it has " + some + "... " +
        std::to_string(modules.size()) + " in all");
}

/// The row that is asked for, or the first one of the largest weighted error.
std::int64_t chosenRow(std::int64_t asked, const MatrixSums& sums) {
    if (asked >= 0) {
        return asked;
    }
    const auto most =
        std::ranges::max_element(sums.rows, {}, [](const Sums& row) { return row[2]; });
    return most - sums.rows.begin();
}

void putRow(Json& metrics, ArrayOutput& out, StudyContext& context, const InspectedRow& row) {
    const RowTables exact = row.exact();
    metrics["row_low"] = row.low();
    metrics["row_high"] = row.high();
    std::vector<double> tables;
    const auto put = [&](const char* method, const RowTables& found) {
        tables.insert(tables.end(), found.entries.begin(), found.entries.end());
        for (std::size_t b = 0; b < found.errors.size(); ++b) {
            Json& line = metrics["errors"][b];
            line["bits"] = b + 1;
            line[method] = jsonNumber(found.errors[b]);
            if (&found != &exact) {
                line[method + std::string("_excess")] =
                    jsonNumber(excessOver(exact.errors[b], found.errors[b]));
            }
        }
    };
    put("rtn", row.rtn(context));
    context.run.checkpoint();
    put("lloyd", row.lloyd());
    put("exact", exact);
    out.send("histogram", "F32", {2, std::int64_t{kBins}}, row.histogram());
    out.send("tables", "F64", {3, std::int64_t{kEntries}}, tables);
}

class QuantInspect : public Study {
public:
    const StudyInfo& info() const override { return m_info; }
    Json run(const Spec& spec, StudyContext& context) const override;
    std::vector<std::filesystem::path> inputFiles(const Spec& spec) const override {
        return trainingRecords(spec.params);
    }

private:
    StudyInfo m_info = describeStudy();
};

Json QuantInspect::run(const Spec& spec, StudyContext& context) const {
    const std::string name = textOf(spec.params, "tensor");
    const auto asked = spec.params.at("row").get<std::int64_t>();
    const auto model = context.models.load(textOf(spec.params, "model"), context.exec, context.run);
    const Linear& linear = matrixOf(*model, name);
    const std::int64_t out = outFeatures(linear.weight);
    LATHE_CHECK(
        asked < out, "--row " + std::to_string(asked) + ": " + name + " has the rows 0 to " +
                         std::to_string(out - 1));
    const auto report = [&](double from, double to, const std::string& what) {
        return [&run = context.run, from, to, what](double share, const std::string& more = {}) {
            run.progress(from + (to - from) * share, more.empty() ? what : more);
        };
    };
    const auto start = Clock::now();
    const FoundSensitivities found =
        findSensitivities(context, *model, calibrationFrom(spec), report(0.0, 0.4, {}));
    const Tensor w = hostMatrix(name, linear, context.exec);
    const Tensor sensitivity = found.values->of(name);
    const Weight weight = quantizers()
                              .at(textOf(spec.params, "method"))
                              .quantize(
                                  context.run, context.cpu, w.view(), {name, sensitivity.view()},
                                  {.bits = spec.params.at("bits").get<int>(),
                                   .onProgress = report(0.4, 0.9, "quantizing " + name)});
    const MatrixSums sums = sumsOf(
        context, name, w.view(), dequantize(context.cpu, weight).view(), sensitivity.view(),
        spec.params.at("tiles").get<std::int64_t>());
    const std::int64_t row = chosenRow(asked, sums);
    Sums total{};
    for (const Sums& one : sums.rows) {
        for (std::size_t q = 0; q < kQuantities; ++q) {
            total[q] += one[q];
        }
    }
    const Sums& ofRow = sums.rows[static_cast<std::size_t>(row)];
    Json metrics{
        {"rows", out},
        {"columns", inFeatures(linear.weight)},
        {"sensitivity", total[0]},
        {"squared_error", total[1]},
        {"weighted_error", total[2]},
        {"predicted_kl", 0.5 * static_cast<double>(found.values->record().length - 1) * total[2]},
        {"tile_rows", sums.tileRows},
        {"tile_columns", sums.tileColumns},
        {"row", row},
        {"row_sensitivity", ofRow[0]},
        {"row_share", jsonNumber(total[2] > 0.0 ? ofRow[2] / total[2] : kNaN)},
        {"cached", found.computedBlocks == 0 ? 1 : 0}};
    ArrayOutput output(context.run);
    output.send("tiles", {sums.tileRows, sums.tileColumns}, sums.tiles);
    output.send("rows", {out}, sums.rows);
    context.run.progress(0.95, "tables of row " + std::to_string(row));
    putRow(metrics, output, context, InspectedRow(name, w.view(), sensitivity.view(), row));
    metrics["seconds"] = secondsSince(start);
    metrics["output_hash"] = output.hash();
    return metrics;
}

} // namespace

std::unique_ptr<Study> makeQuantInspect() { return std::make_unique<QuantInspect>(); }

} // namespace lathe
