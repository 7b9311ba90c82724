// SPDX-License-Identifier: Apache-2.0
#include "engine/quant/factories.h"

#include "engine/core/check.h"
#include "engine/quant/lut_rows.h"
#include "engine/quant/matrix_rows.h"
#include "engine/quant/packing.h"
#include "engine/quant/refined_rows.h"
#include "kernels/core/half.h"
#include "kernels/ops/guided_hessian/guided_hessian.h"

#include <algorithm>
#include <cmath>

namespace lathe {

namespace {

/// Rows that go over a Hessian together.
constexpr std::int64_t kTogether = 8;
/// Batches of rows between two reports of progress.
constexpr std::int64_t kReportBatches = 32;
/// Share of the work that the start is taken to be.
constexpr double kStartShare = 0.2;
/// Added to the diagonal, over its mean: samples are few beside the directions of a wide matrix.
/// Measured in docs/adr/0009.
constexpr double kDamping = 0.1;

/// A group's Hessian with its diagonal raised. @throws InputError for a value that is not finite.
std::vector<float> damped(ConstView hessian, std::int64_t group, const std::string& name) {
    const std::span<const float> values = hessian.slice(group, group + 1).as<float>();
    const auto bad = std::ranges::find_if_not(values, [](float v) { return std::isfinite(v); });
    const auto in = static_cast<std::size_t>(hessian.shape[2]);
    if (bad != values.end()) {
        const auto place = static_cast<std::size_t>(bad - values.begin());
        throw InputError(
            name + ": the Hessian of group " + std::to_string(group) + " in row " +
            std::to_string(place / in) + ", column " + std::to_string(place % in) +
            " is not finite; compute it again");
    }
    std::vector<float> square(values.begin(), values.end());
    double trace = 0.0;
    for (std::size_t i = 0; i < in; ++i) {
        trace += static_cast<double>(square[i * in + i]);
    }
    const auto more = static_cast<float>(kDamping * trace / static_cast<double>(in));
    for (std::size_t i = 0; i < in; ++i) {
        square[i * in + i] += more;
    }
    return square;
}

/// Rows of a matrix with tables, taken out and put back.
class TableRows {
public:
    TableRows(ConstView w, const std::string& name, LutWeight& weight)
        : m_w(w), m_name(name), m_bits(weight.bits), m_words(weight.packed.shape()[1]),
          m_entries(weight.table.shape()[1]),
          m_packed(reinterpret_cast<std::uint32_t*>(weight.packed.view().data)),
          m_tables(weight.table.view().ptr<Half>()) {}

    TableRow take(std::int64_t row) const {
        const auto in = static_cast<std::size_t>(m_w.shape[1]);
        TableRow taken{
            .weights = std::vector<float>(in), .table = {}, .codes = std::vector<std::uint8_t>(in)};
        readRow(m_w, row, m_name, taken.weights);
        std::ranges::transform(tableOf(row), std::back_inserter(taken.table), [](Half entry) {
            return toFloat(entry);
        });
        unpackRow(codesOf(row), m_bits, taken.codes);
        return taken;
    }
    void put(std::int64_t row, const TableRow& refined) const {
        std::ranges::transform(refined.table, tableOf(row).begin(), toHalf);
        packRow(refined.codes, m_bits, codesOf(row));
    }

private:
    std::span<Half> tableOf(std::int64_t row) const {
        return {m_tables + row * m_entries, static_cast<std::size_t>(m_entries)};
    }
    std::span<std::uint32_t> codesOf(std::int64_t row) const {
        return {m_packed + row * m_words, static_cast<std::size_t>(m_words)};
    }

    ConstView m_w;
    const std::string& m_name;
    int m_bits;
    std::int64_t m_words, m_entries;
    std::uint32_t* m_packed;
    Half* m_tables;
};

class Refined final : public Quantizer {
public:
    const QuantizerInfo& info() const override { return m_info; }

    Weight quantize(
        RunControl& run, ExecContext& cpu, ConstView w, const LayerStatistics& statistics,
        const QuantizeOptions& options) const override {
        checkQuantizable(m_info, w, statistics, options);
        const auto report = [&options](double share) {
            if (options.onProgress) {
                options.onProgress(share);
            }
        };
        QuantizeOptions start = options;
        start.onProgress = [&report](double share) { report(kStartShare * share); };
        LutWeight weight = quantizeRows(
            run, cpu, w, usedBy(m_info, statistics), start,
            [&options](
                std::int64_t, std::span<const float> values, std::span<const float> weights) {
                return Kmeans1d::optimum(values, weights, 1 << options.bits);
            });
        const TableRows rows(w, statistics.name, weight);
        const std::int64_t groups = statistics.hessian.shape[0];
        for (std::int64_t g = 0; g < groups; ++g) {
            const OutputGroup group = outputGroup(w.shape[0], groups, g);
            const std::vector<float> hessian = damped(statistics.hessian, g, statistics.name);
            refineGroup(run, cpu, hessian, rows, group, [&](std::int64_t row) {
                const double done = static_cast<double>(row) / static_cast<double>(w.shape[0]);
                report(kStartShare + (1.0 - kStartShare) * done);
            });
        }
        return weight;
    }

private:
    static void refineGroup(
        const RunControl& run, ExecContext& cpu, std::span<const float> hessian,
        const TableRows& rows, OutputGroup group,
        const std::function<void(std::int64_t row)>& onProgress) {
        const std::int64_t batches = (group.to - group.from + kTogether - 1) / kTogether;
        for (std::int64_t first = 0; first < batches; first += kReportBatches) {
            const std::int64_t count = std::min(kReportBatches, batches - first);
            cpu.pool().parallelFor(count, 1, [&](std::int64_t from, std::int64_t to) {
                for (std::int64_t batch = first + from; batch < first + to; ++batch) {
                    run.checkpoint();
                    const std::int64_t begin = group.from + batch * kTogether;
                    const std::int64_t end = std::min(group.to, begin + kTogether);
                    std::vector<TableRow> taken;
                    for (std::int64_t row = begin; row < end; ++row) {
                        taken.push_back(rows.take(row));
                    }
                    refineRows(hessian, taken);
                    for (std::int64_t row = begin; row < end; ++row) {
                        rows.put(row, taken[static_cast<std::size_t>(row - begin)]);
                    }
                }
            });
            onProgress(std::min(group.to, group.from + (first + count) * kTogether));
        }
    }

    QuantizerInfo m_info{
        .id = "refined",
        .title = "Tables refined for the outputs",
        .paper = "GuidedQuant, arXiv 2505.07004",
        .usesSensitivity = true,
        .usesHessian = true,
        .minimumBits = 1};
};

} // namespace

std::unique_ptr<Quantizer> makeRefined() { return std::make_unique<Refined>(); }

} // namespace lathe
