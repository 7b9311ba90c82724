// SPDX-License-Identifier: Apache-2.0
#include "engine/quant/factories.h"

#include "engine/quant/lut_rows.h"
#include "engine/quant/matrix_rows.h"

namespace lathe {

namespace {

class Kmeans final : public Quantizer {
public:
    const QuantizerInfo& info() const override { return m_info; }

    Weight quantize(
        RunControl& run, ExecContext& cpu, ConstView w, const LayerStatistics& statistics,
        const QuantizeOptions& options) const override {
        checkQuantizable(m_info, w, statistics, options);
        const auto optimum = [&options](
                                 std::int64_t, std::span<const float> values,
                                 std::span<const float> weights) {
            return Kmeans1d::optimum(values, weights, 1 << options.bits);
        };
        return quantizeRows(run, cpu, w, statistics, options, optimum);
    }

private:
    QuantizerInfo m_info{
        .id = "kmeans",
        .title = "k-means (exact, per row)",
        .paper = "SqueezeLLM, arXiv 2306.07629",
        .usesGroups = false};
};

} // namespace

std::unique_ptr<Quantizer> makeKmeans() { return std::make_unique<Kmeans>(); }

} // namespace lathe
