// SPDX-License-Identifier: Apache-2.0
#include "engine/quant/factories.h"

#include "engine/core/check.h"
#include "engine/quant/matrix_rows.h"
#include "engine/quant/packing.h"
#include "kernels/core/half.h"
#include "kernels/ops/lut_gemv/lut_gemv.h"

#include <algorithm>
#include <cmath>

namespace lathe {

namespace {

/// One group: w = scale * (code - zero).
struct Grid {
    Half scale;
    int zero = 0;
};

/// The scale as it is stored. A range too small for F16 gets the smallest scale there is (its
/// weights become zero), an all-zero group the scale 1.
Half storedScale(double exact, const std::string& name, std::int64_t row) {
    if (exact == 0.0) {
        return toHalf(1.0F);
    }
    const Half scale = toHalf(static_cast<float>(exact));
    LATHE_CHECK(
        std::isfinite(toFloat(scale)), name + ": the scale of row " + std::to_string(row) +
                                           " exceeds 65504, the largest F16 number");
    return toFloat(scale) > 0.0F ? scale : Half{1};
}

class RoundToNearest : public Quantizer {
public:
    const QuantizerInfo& info() const override { return m_info; }

    Weight quantize(
        RunControl& run, ExecContext& context, ConstView w, const LayerStatistics& statistics,
        const QuantizeOptions& options) const override;

protected:
    explicit RoundToNearest(QuantizerInfo info) : m_info(std::move(info)) {}
    /// The grid for weights between `low` and `high`, with the scale as it is stored.
    virtual Grid
    gridFor(double low, double high, int bits, const std::string& name, std::int64_t row) const = 0;
    /// Codes that are used: the symmetric grid leaves out the lowest.
    virtual int lowestCode() const = 0;

private:
    QuantizerInfo m_info;
};

Weight RoundToNearest::quantize(
    RunControl& run, ExecContext& context, ConstView w, const LayerStatistics& statistics,
    const QuantizeOptions& options) const {
    checkQuantizable(m_info, w, statistics, options);
    const std::int64_t out = w.shape[0], in = w.shape[1];
    const int bits = options.bits;
    const bool wholeRow = options.groupSize == 0 || options.groupSize >= in;
    const std::int64_t size = wholeRow ? in : options.groupSize;
    const std::int64_t groups = (in + size - 1) / size;
    const std::int64_t words = packedWords(in, bits);
    GroupWeight result{
        .packed = Tensor::empty({out, words}, DType::I32, Device{}),
        .scale = Tensor::empty({out, groups}, DType::F16, Device{}),
        .zero = Tensor::empty({out, groups}, DType::U8, Device{}),
        .bits = bits,
        .groupSize = wholeRow ? 0 : size,
        .in = in};
    auto* packed = reinterpret_cast<std::uint32_t*>(result.packed.view().data);
    auto* scales = result.scale.view().ptr<Half>();
    auto* zeros = result.zero.view().ptr<std::uint8_t>();
    forEachRow(run, context, w, options, [&](std::int64_t row) {
        std::vector<float> values(static_cast<std::size_t>(in));
        std::vector<std::uint8_t> codes(values.size());
        readRow(w, row, statistics.name, values);
        for (std::int64_t group = 0; group < groups; ++group) {
            const auto first = values.begin() + group * size;
            const auto last = values.begin() + std::min((group + 1) * size, in);
            const auto [low, high] = std::minmax_element(first, last);
            const Grid grid = gridFor(*low, *high, bits, statistics.name, row);
            scales[row * groups + group] = grid.scale;
            zeros[row * groups + group] = static_cast<std::uint8_t>(grid.zero);
            const double scale = toFloat(grid.scale);
            std::transform(first, last, codes.begin() + group * size, [&](float value) {
                const double code = std::round(static_cast<double>(value) / scale) + grid.zero;
                return static_cast<std::uint8_t>(
                    std::clamp(code, double(lowestCode()), double((1 << bits) - 1)));
            });
        }
        packRow(codes, bits, {packed + row * words, static_cast<std::size_t>(words)});
    });
    return result;
}

/// Min-max over all 2^bits codes; zero is always one of them.
class Asymmetric final : public RoundToNearest {
public:
    Asymmetric() : RoundToNearest({.id = "rtn", .title = "Round to nearest", .usesGroups = true}) {}

protected:
    Grid gridFor(double low, double high, int bits, const std::string& name, std::int64_t row)
        const override {
        const int highestCode = (1 << bits) - 1;
        low = std::min(low, 0.0);
        high = std::max(high, 0.0);
        const Half scale = storedScale((high - low) / highestCode, name, row);
        const double zero = std::round(-low / static_cast<double>(toFloat(scale)));
        return {scale, static_cast<int>(std::min<double>(zero, highestCode))};
    }
    int lowestCode() const override { return 0; }
};

/// Codes 1 .. 2^bits - 1 around the middle code: the largest magnitude is met exactly on either
/// side and negated weights get negated values, at the price of the unused lowest code.
class Symmetric final : public RoundToNearest {
public:
    Symmetric()
        : RoundToNearest(
              {.id = "rtn-sym", .title = "Round to nearest, symmetric", .usesGroups = true}) {}

protected:
    Grid gridFor(double low, double high, int bits, const std::string& name, std::int64_t row)
        const override {
        const int middle = 1 << (bits - 1);
        return {storedScale(std::max(-low, high) / (middle - 1), name, row), middle};
    }
    int lowestCode() const override { return 1; }
};

} // namespace

std::unique_ptr<Quantizer> makeRoundToNearest() { return std::make_unique<Asymmetric>(); }
std::unique_ptr<Quantizer> makeSymmetricRoundToNearest() { return std::make_unique<Symmetric>(); }

} // namespace lathe
