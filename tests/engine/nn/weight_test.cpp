// SPDX-License-Identifier: Apache-2.0
#include "engine/nn/weight.h"
#include "kernels/core/half.h"
#include "tests/support/lathe_test.h"

#include <algorithm>

using namespace lathe;

namespace {

Tensor zeros(Shape shape, DType dtype) {
    Tensor tensor = Tensor::empty(shape, dtype, Device{});
    std::fill_n(tensor.view().data, tensor.bytes(), std::byte{0});
    return tensor;
}

template <class T>
Tensor tensorOf(Shape shape, const std::vector<T>& values) {
    Tensor tensor = Tensor::empty(shape, DTypeOf<T>::value, Device{});
    std::ranges::copy(values, tensor.view().template as<T>().begin());
    return tensor;
}

std::vector<Half> halves(const std::vector<float>& values) {
    std::vector<Half> out(values.size());
    std::ranges::transform(values, out.begin(), toHalf);
    return out;
}

/// 3 x 5 codes of 3 bits (one word a row): row r, column j has the code (r + 2 j) mod 8; the table
/// of row r is 10 r + code.
Weight smallLut() {
    std::vector<std::int32_t> words;
    std::vector<float> table;
    for (int row = 0; row < 3; ++row) {
        std::int32_t word = 0;
        for (int j = 0; j < 5; ++j) {
            word |= ((row + 2 * j) % 8) << (3 * j);
        }
        words.push_back(word);
        for (int code = 0; code < 8; ++code) {
            table.push_back(static_cast<float>(10 * row + code));
        }
    }
    return LutWeight{
        .packed = tensorOf({3, 1}, words),
        .table = tensorOf({3, 8}, halves(table)),
        .bits = 3,
        .in = 5};
}

/// 2 x 5 codes of 4 bits in groups of 2, the last one short: all codes are 9.
Weight smallGroup() {
    return GroupWeight{
        .packed = tensorOf<std::int32_t>({2, 1}, {0x99999, 0x99999}),
        .scale = tensorOf({2, 3}, halves({1, 2, 0.5F, -1, 4, 0.25F})),
        .zero = tensorOf<std::uint8_t>({2, 3}, {8, 9, 1, 0, 15, 5}),
        .bits = 4,
        .groupSize = 2,
        .in = 5};
}

std::vector<float> wide(const Weight& weight) {
    ExecContext cpu(Device{}, {.target = Target::Scalar, .threads = 1});
    const Tensor tensor = dequantize(cpu, weight);
    const auto values = tensor.view().as<float>();
    return {values.begin(), values.end()};
}

} // namespace

class WeightTest : public QObject {
    Q_OBJECT

private slots:
    void dense() {
        const Weight half = DenseWeight{zeros({3, 5}, DType::F16)};
        QCOMPARE(outFeatures(half), std::int64_t{3});
        QCOMPARE(inFeatures(half), std::int64_t{5});
        QCOMPARE(storedBytes(half), std::int64_t{30});
        QCOMPARE(averageBits(half), 16.0);
        QCOMPARE(describe(half), std::string("dense F16"));
        QCOMPARE(averageBits(DenseWeight{zeros({2, 2}, DType::F32)}), 32.0);
        QCOMPARE(describe(DenseWeight{zeros({1, 1}, DType::BF16)}), std::string("dense BF16"));
        QCOMPARE(averageBits(DenseWeight{zeros({0, 5}, DType::F16)}), 0.0);
    }

    void lookUp() {
        const Weight weight = smallLut();
        QCOMPARE(outFeatures(weight), std::int64_t{3});
        QCOMPARE(inFeatures(weight), std::int64_t{5});
        QCOMPARE(storedBytes(weight), std::int64_t{3 * 4 + 3 * 8 * 2}); // one word, eight entries
        QCOMPARE(averageBits(weight), 8.0 * 60 / 15);
        QCOMPARE(describe(weight), std::string("lut 3 bit"));
    }

    /// A row of 4096 columns at 3 bits: 384 words and 8 entries of 16 bits, 3.03125 bits a weight.
    void averageBitsCountTables() {
        const Weight lut = LutWeight{
            .packed = zeros({2, 384}, DType::I32),
            .table = zeros({2, 8}, DType::F16),
            .bits = 3,
            .in = 4096};
        QCOMPARE(averageBits(lut), 3.03125);
        // The same at 4 bits in 32 groups: 24 bits more for each.
        const Weight group = GroupWeight{
            .packed = zeros({2, 512}, DType::I32),
            .scale = zeros({2, 32}, DType::F16),
            .zero = zeros({2, 32}, DType::U8),
            .bits = 4,
            .groupSize = 128,
            .in = 4096};
        QCOMPARE(averageBits(group), 4.0 + 24.0 / 128.0);
    }

    void groups() {
        const Weight weight = smallGroup();
        QCOMPARE(outFeatures(weight), std::int64_t{2});
        QCOMPARE(inFeatures(weight), std::int64_t{5});
        QCOMPARE(storedBytes(weight), std::int64_t{8 + 12 + 6});
        QCOMPARE(averageBits(weight), 8.0 * 26 / 10);
        QCOMPARE(describe(weight), std::string("group 4 bit / 2"));
        const Weight row = GroupWeight{
            .packed = zeros({1, 1}, DType::I32),
            .scale = zeros({1, 1}, DType::F16),
            .zero = zeros({1, 1}, DType::U8),
            .bits = 8,
            .groupSize = 0,
            .in = 4};
        QCOMPARE(describe(row), std::string("group 8 bit / row"));
    }

    void dequantized() {
        QCOMPARE(
            wide(smallLut()),
            (std::vector<float>{0, 2, 4, 6, 0, 11, 13, 15, 17, 11, 22, 24, 26, 20, 22}));
        QCOMPARE(wide(smallGroup()), (std::vector<float>{1, 1, 0, 0, 4, -9, -9, -24, -24, 1}));
        const std::vector<float> values{0.5F, -1.25F, 3, 0, 65504, -7};
        std::vector<BFloat16> brains(values.size());
        std::ranges::transform(values, brains.begin(), toBFloat16);
        std::vector<float> rounded(values.size());
        std::ranges::transform(brains, rounded.begin(), [](BFloat16 b) { return toFloat(b); });
        QCOMPARE(wide(DenseWeight{tensorOf({2, 3}, values)}), values);
        QCOMPARE(wide(DenseWeight{tensorOf({2, 3}, halves(values))}), values);
        QCOMPARE(wide(DenseWeight{tensorOf({2, 3}, brains)}), rounded);
    }

    void copiesToADevice() {
        ExecContext cpu(Device{}, {.target = Target::Scalar, .threads = 1});
        for (const Weight& weight : {std::cref(m_lut), std::cref(m_group), std::cref(m_dense)}) {
            const Weight copy = toDevice(weight, Device{}, cpu);
            QCOMPARE(copy.index(), weight.index());
            QCOMPARE(describe(copy), describe(weight));
            QCOMPARE(storedBytes(copy), storedBytes(weight));
            QCOMPARE(inFeatures(copy), inFeatures(weight));
            QCOMPARE(wide(copy), wide(weight));
        }
    }

private:
    const Weight m_lut = smallLut();
    const Weight m_group = smallGroup();
    const Weight m_dense = DenseWeight{tensorOf<float>({1, 3}, {1, 2, 3})};
};

LATHE_TEST(WeightTest);
#include "weight_test.moc"
