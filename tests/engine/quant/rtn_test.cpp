// SPDX-License-Identifier: Apache-2.0
#include "kernels/core/half.h"
#include "tests/engine/quant/matrices.h"
#include "tests/support/lathe_test.h"

#include <algorithm>
#include <cmath>

using namespace lathe;

namespace {

/// Rounding the scale to F16 moves the grid by up to 2^-11 of it for each step from the zero.
double bound(const GroupWeight& weight, std::size_t scaleAt) {
    const auto scale = static_cast<double>(toFloat(weight.scale.view().as<Half>()[scaleAt]));
    return scale * (0.5 + std::exp2(weight.bits - 11)) * (1.0 + 1e-6);
}

void addGrids() {
    QTest::addColumn<int>("bits");
    QTest::addColumn<int>("group");
    for (int bits = 2; bits <= 8; ++bits) {
        for (const int group : {0, 7, 32, 64, 128, 1000}) {
            QTest::addRow("%d bit group %d", bits, group) << bits << group;
        }
    }
}

} // namespace

class RoundToNearestTest : public QObject {
    Q_OBJECT

private slots:
    void byHand() {
        const Tensor w = test::matrix(2, 4, {-1, 0, 0.4F, 2, 0, 3, 6, 1});
        const Weight weight = test::quantized("rtn", w, {.bits = 2});
        const auto& group = std::get<GroupWeight>(weight);
        QCOMPARE(toFloat(group.scale.view().as<Half>()[0]), 1.0F);
        QCOMPARE(toFloat(group.scale.view().as<Half>()[1]), 2.0F);
        QCOMPARE(int{group.zero.view().as<std::uint8_t>()[0]}, 1);
        QCOMPARE(int{group.zero.view().as<std::uint8_t>()[1]}, 0);
        QCOMPARE(group.groupSize, std::int64_t{0});
        // Codes 0 1 1 3, then 0 2 3 1 (halves away from zero), the first in the lowest bits.
        QCOMPARE(group.packed.view().as<std::int32_t>()[0], 0b11010100);
        QCOMPARE(group.packed.view().as<std::int32_t>()[1], 0b01111000);
        QCOMPARE(test::values(weight), (std::vector<float>{-1, 0, 0, 2, 0, 4, 6, 2}));
    }

    void symmetricByHand() {
        const Tensor w = test::matrix(1, 5, {-3, 1.4F, 0, 2.6F, -0.6F});
        const Weight weight = test::quantized("rtn-sym", w, {.bits = 3});
        QCOMPARE(test::values(weight), (std::vector<float>{-3, 1, 0, 3, -1}));
        QCOMPARE(int{std::get<GroupWeight>(weight).zero.view().as<std::uint8_t>()[0]}, 4);
    }

    void errorIsHalfAStep_data() { addGrids(); }
    void errorIsHalfAStep() {
        QFETCH(const int, bits);
        QFETCH(const int, group);
        const std::int64_t out = 6, in = 261;
        std::vector<float> w = test::heavyTailed(out * in, 0.1, 31);
        for (std::size_t j = 0; j < static_cast<std::size_t>(in); ++j) {
            w[j] = std::abs(w[j]); // one-sided rows
            w[static_cast<std::size_t>(in) + j] = -1.0F - std::abs(w[j]) / 100.0F;
        }
        for (const char* id : {"rtn", "rtn-sym"}) {
            const Weight weight =
                test::quantized(id, test::matrix(out, in, w), {.bits = bits, .groupSize = group});
            const auto& stored = std::get<GroupWeight>(weight);
            QCOMPARE(stored.groupSize, std::int64_t{group >= in ? 0 : group});
            const std::int64_t size = stored.groupSize == 0 ? in : stored.groupSize;
            const std::int64_t groups = (in + size - 1) / size;
            QCOMPARE(stored.scale.shape(), (Shape{out, groups}));
            const std::vector<float> wide = test::values(weight);
            for (std::int64_t i = 0; i < out * in; ++i) {
                const auto at = static_cast<std::size_t>(i / in * groups + i % in / size);
                const auto index = static_cast<std::size_t>(i);
                QVERIFY(std::abs(double{wide[index]} - double{w[index]}) <= bound(stored, at));
            }
        }
    }

    void zeroStaysZero() {
        std::vector<float> w = test::heavyTailed(4 * 64, 1.0, 32);
        for (std::size_t i = 0; i < w.size(); i += 3) {
            w[i] = 0.0F;
        }
        for (const char* id : {"rtn", "rtn-sym"}) {
            for (int bits = 2; bits <= 8; ++bits) {
                const std::vector<float> wide =
                    test::values(test::quantized(id, test::matrix(4, 64, w), {.bits = bits}));
                for (std::size_t i = 0; i < w.size(); i += 3) {
                    QCOMPARE(wide[i], 0.0F);
                }
            }
        }
    }

    void symmetricNegates() {
        const std::vector<float> w = test::heavyTailed(8 * 77, 0.3, 33);
        std::vector<float> negated = w;
        std::ranges::transform(w, negated.begin(), std::negate<>());
        for (int bits = 2; bits <= 8; ++bits) {
            const QuantizeOptions options{.bits = bits, .groupSize = 32};
            std::vector<float> wide =
                test::values(test::quantized("rtn-sym", test::matrix(8, 77, w), options));
            std::ranges::transform(wide, wide.begin(), std::negate<>());
            QCOMPARE(
                test::values(test::quantized("rtn-sym", test::matrix(8, 77, negated), options)),
                wide);
        }
    }

    /// The largest magnitude of each group is met but for the rounding of the scale.
    void extremesAreMet() {
        const std::int64_t in = 96;
        const std::vector<float> w = test::heavyTailed(5 * in, 0.3, 34);
        const std::vector<float> wide = test::values(
            test::quantized("rtn-sym", test::matrix(5, in, w), {.bits = 4, .groupSize = 32}));
        for (std::size_t group = 0; group < w.size() / 32; ++group) {
            std::size_t largest = group * 32;
            for (std::size_t i = group * 32; i < (group + 1) * 32; ++i) {
                largest = std::abs(w[i]) > std::abs(w[largest]) ? i : largest;
            }
            QVERIFY(
                std::abs(wide[largest] - w[largest]) <= std::abs(w[largest]) * (1.0F / 2048.0F));
        }
    }

    void smallerGroupsErrLess() {
        const std::int64_t out = 4, in = 1024;
        const std::vector<float> w = test::heavyTailed(out * in, 0.1, 35);
        for (const char* id : {"rtn", "rtn-sym"}) {
            double before = 1e300;
            for (const std::int64_t group : {0, 128, 64, 32}) {
                const std::vector<float> wide = test::values(
                    test::quantized(id, test::matrix(out, in, w), {.bits = 4, .groupSize = group}));
                double error = 0.0;
                for (std::int64_t row = 0; row < out; ++row) {
                    error += test::rowError(w, wide, row, in);
                }
                QVERIFY(error < before);
                before = error;
            }
        }
    }

    void emptyAndTinyRanges() {
        for (const char* id : {"rtn", "rtn-sym"}) {
            const Weight zeros =
                test::quantized(id, test::matrix(1, 8, std::vector<float>(8, 0.0F)), {.bits = 3});
            QCOMPARE(toFloat(std::get<GroupWeight>(zeros).scale.view().as<Half>()[0]), 1.0F);
            QCOMPARE(test::values(zeros), std::vector<float>(8, 0.0F));
            // Below the smallest F16 scale: as good as zero, never NaN.
            const Weight tiny =
                test::quantized(id, test::matrix(1, 2, {1e-12F, -1e-12F}), {.bits = 3});
            QCOMPARE(test::values(tiny), (std::vector<float>{0.0F, 0.0F}));
        }
    }
};

LATHE_TEST(RoundToNearestTest);
#include "rtn_test.moc"
