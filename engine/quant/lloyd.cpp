// SPDX-License-Identifier: Apache-2.0
#include "engine/quant/factories.h"

#include "engine/quant/lloyd1d.h"
#include "engine/quant/lut_rows.h"
#include "engine/quant/matrix_rows.h"

namespace lathe {

namespace {

class Lloyd final : public Quantizer {
public:
    const QuantizerInfo& info() const override { return m_info; }

    Weight quantize(
        RunControl& run, ExecContext& context, ConstView w, const LayerStatistics& statistics,
        const QuantizeOptions& options) const override {
        checkQuantizable(m_info, w, statistics, options);
        const auto oneStart = [&options](
                                  std::int64_t row, std::span<const float> values,
                                  std::span<const float> weights) {
            Random random = rowRandom(kLloydSeed, row);
            return Lloyd1d(values, weights).clustering(1 << options.bits, random);
        };
        return quantizeRows(run, context, w, usedBy(m_info, statistics), options, oneStart);
    }

private:
    QuantizerInfo m_info{
        .id = "lloyd",
        .title = "k-means (Lloyd, one start, per row)",
        .paper = "SqueezeLLM, arXiv 2306.07629",
        .usesSensitivity = true,
        .minimumBits = 1};
};

} // namespace

std::unique_ptr<Quantizer> makeLloyd() { return std::make_unique<Lloyd>(); }

} // namespace lathe
