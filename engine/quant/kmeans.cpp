// SPDX-License-Identifier: Apache-2.0
#include "engine/quant/factories.h"

#include "engine/quant/lut_rows.h"
#include "engine/quant/matrix_rows.h"

namespace lathe {

namespace {

/// Exact k-means per output row, in the three forms that its description tells.
class ExactTables final : public Quantizer {
public:
    explicit ExactTables(QuantizerInfo info) : m_info(std::move(info)) {}
    const QuantizerInfo& info() const override { return m_info; }

    Weight quantize(
        RunControl& run, ExecContext& context, ConstView w, const LayerStatistics& statistics,
        const QuantizeOptions& options) const override {
        checkQuantizable(m_info, w, statistics, options);
        const LayerStatistics used = usedBy(m_info, statistics);
        if (context.device().isCuda()) {
            return quantizeRowsOnGpu(run, context, w, used, options);
        }
        const auto optimum = [&options](
                                 std::int64_t, std::span<const float> values,
                                 std::span<const float> weights) {
            return Kmeans1d::optimum(values, weights, 1 << options.bits);
        };
        return quantizeRows(run, context, w, used, options, optimum);
    }

private:
    QuantizerInfo m_info;
};

constexpr const char* kPaper = "SqueezeLLM, arXiv 2306.07629";

} // namespace

std::unique_ptr<Quantizer> makeKmeans() {
    return std::make_unique<ExactTables>(QuantizerInfo{
        .id = "kmeans", .title = "k-means (exact, per row)", .paper = kPaper, .minimumBits = 1});
}

std::unique_ptr<Quantizer> makeSqueezeLlm() {
    return std::make_unique<ExactTables>(QuantizerInfo{
        .id = "squeezellm",
        .title = "SqueezeLLM, dense only",
        .paper = kPaper,
        .usesSensitivity = true,
        .minimumBits = 1});
}

std::unique_ptr<Quantizer> makeSqueezeLlmSparse() {
    return std::make_unique<ExactTables>(QuantizerInfo{
        .id = "squeezellm-sparse",
        .title = "SqueezeLLM, dense and sparse",
        .paper = kPaper,
        .usesSensitivity = true,
        .usesSparse = true,
        .minimumBits = 1});
}

} // namespace lathe
