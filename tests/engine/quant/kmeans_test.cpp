// SPDX-License-Identifier: Apache-2.0
#include "engine/quant/kmeans1d.h"
#include "kernels/core/half.h"
#include "tests/engine/quant/matrices.h"
#include "tests/support/lathe_test.h"

#include <algorithm>
#include <cmath>

using namespace lathe;

namespace {

const std::vector<float> kValues{-44, -25, -22, -12, -5, -2, 1, 3, 8, 18, 23, 52};
const std::vector<float> kWeights{1, 2, 9, 1, 4, 1, 16, 3, 2, 8, 1, 1};

std::vector<float> tableOf(const Weight& weight, std::size_t row) {
    const auto& lut = std::get<LutWeight>(weight);
    const std::size_t entries = std::size_t{1} << lut.bits;
    std::vector<float> table(entries);
    const auto all = lut.table.view().as<Half>().subspan(row * entries, entries);
    std::ranges::transform(all, table.begin(), [](Half entry) { return toFloat(entry); });
    return table;
}

std::vector<float> rounded(const std::vector<double>& values) {
    std::vector<float> out(values.size());
    std::ranges::transform(
        values, out.begin(), [](double v) { return toFloat(toHalf(static_cast<float>(v))); });
    return out;
}

} // namespace

class KmeansTest : public QObject {
    Q_OBJECT

private slots:
    /// Oracle O1, as it is stored.
    void weightedOracle() {
        const Tensor w = test::matrix(1, 12, kValues);
        const Tensor fisher = test::matrix(1, 12, kWeights);
        const Weight four = test::quantized("squeezellm", w, {.bits = 2}, 1, fisher.view());
        const std::vector<float> table = rounded({-304.0 / 13, 19.0 / 26, 167.0 / 9, 52.0});
        QCOMPARE(tableOf(four, 0), table);
        std::vector<float> wanted;
        for (const int code : {0, 0, 0, 0, 1, 1, 1, 1, 1, 2, 2, 3}) {
            wanted.push_back(table[static_cast<std::size_t>(code)]);
        }
        QCOMPARE(test::values(four), wanted);

        const Weight plain = test::quantized("kmeans", w, {.bits = 2});
        QCOMPARE(tableOf(plain, 0), rounded({-91.0 / 3, -7.0 / 6, 41.0 / 2, 52.0}));
    }

    void groupsAreIgnored() {
        const std::vector<float> w = test::heavyTailed(3 * 100, 0.1, 41);
        const Weight whole = test::quantized("kmeans", test::matrix(3, 100, w), {.bits = 3});
        const Weight grouped =
            test::quantized("kmeans", test::matrix(3, 100, w), {.bits = 3, .groupSize = 32});
        QCOMPARE(test::values(grouped), test::values(whole));
    }

    /// Tables ascend, and each weight has the nearest entry of the table that is stored.
    void codesAreNearest() {
        const std::int64_t out = 5, in = 331;
        const std::vector<float> w = test::heavyTailed(out * in, 0.1, 42);
        for (int bits = 2; bits <= 8; ++bits) {
            const Weight weight =
                test::quantized("kmeans", test::matrix(out, in, w), {.bits = bits});
            const std::vector<float> wide = test::values(weight);
            for (std::size_t row = 0; row < static_cast<std::size_t>(out); ++row) {
                const std::vector<float> table = tableOf(weight, row);
                QVERIFY(std::ranges::is_sorted(table));
                for (std::size_t i = row * 331; i < (row + 1) * 331; ++i) {
                    const auto distance = [&](float entry) {
                        return std::abs(double{entry} - double{w[i]});
                    };
                    QCOMPARE(
                        distance(wide[i]),
                        distance(*std::ranges::min_element(table, {}, distance)));
                }
            }
        }
    }

    void neverWorseThanRoundToNearest() {
        const std::int64_t out = 12, in = 512;
        const std::vector<float> w = test::heavyTailed(out * in, 0.02, 43);
        for (int bits = 2; bits <= 8; ++bits) {
            const std::vector<float> clustered =
                test::values(test::quantized("kmeans", test::matrix(out, in, w), {.bits = bits}));
            for (const char* id : {"rtn", "rtn-sym"}) {
                const std::vector<float> grid =
                    test::values(test::quantized(id, test::matrix(out, in, w), {.bits = bits}));
                for (std::int64_t row = 0; row < out; ++row) {
                    QVERIFY(
                        test::rowError(w, clustered, row, in) < test::rowError(w, grid, row, in));
                }
            }
        }
    }

    /// Rounding the table to F16 costs next to nothing.
    void errorIsThatOfTheOptimum() {
        const std::int64_t in = 700;
        const std::vector<float> w = test::heavyTailed(in, 0.02, 44);
        for (int bits = 2; bits <= 5; ++bits) {
            const std::vector<float> wide =
                test::values(test::quantized("kmeans", test::matrix(1, in, w), {.bits = bits}));
            const double optimum = Kmeans1d::optimum(w, {}, 1 << bits).cost;
            const double error = test::rowError(w, wide, 0, in);
            QVERIFY(error >= optimum * (1.0 - 1e-12));
            QVERIFY(error <= optimum * 1.001);
        }
    }

    /// As many entries as distinct F16 weights: nothing is lost.
    void fewDistinctWeightsSurvive() {
        std::vector<float> w(2 * 50);
        for (std::size_t i = 0; i < w.size(); ++i) {
            w[i] = static_cast<float>(i * 7 % 8) * 0.25F - 1.0F;
        }
        for (const int bits : {3, 4, 8}) {
            QCOMPARE(
                test::values(test::quantized("kmeans", test::matrix(2, 50, w), {.bits = bits})), w);
        }
    }

    void sensitiveWeightsComeFirst() {
        const std::int64_t in = 400;
        const std::vector<float> w = test::heavyTailed(in, 1.0, 45);
        std::vector<float> fisher(w.size());
        Random random(46);
        std::ranges::generate(
            fisher, [&] { return static_cast<float>(std::exp(2.0 * random.normal())); });
        const auto weightedError = [&](const Weight& weight) {
            const std::vector<float> wide = test::values(weight);
            double sum = 0.0;
            for (std::size_t i = 0; i < w.size(); ++i) {
                const double difference = double{wide[i]} - double{w[i]};
                sum += double{fisher[i]} * difference * difference;
            }
            return sum;
        };
        const Tensor matrix = test::matrix(1, in, w);
        const Tensor sensitivity = test::matrix(1, in, fisher);
        QVERIFY(
            weightedError(
                test::quantized("squeezellm", matrix, {.bits = 3}, 1, sensitivity.view())) <
            0.9 * weightedError(test::quantized("kmeans", matrix, {.bits = 3})));
    }
};

LATHE_TEST(KmeansTest);
#include "kmeans_test.moc"
