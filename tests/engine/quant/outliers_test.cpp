// SPDX-License-Identifier: Apache-2.0
#include "engine/quant/outliers.h"

#include "engine/core/error.h"
#include "tests/engine/quant/matrices.h"
#include "tests/support/lathe_test.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

using namespace lathe;

namespace {

using Positions = std::vector<std::int64_t>;

SparseChoice chosen(const std::vector<SparseMatrix>& matrices, const SparseShares& shares) {
    test::SilentSink sink;
    RunControl run(1, sink, {});
    return chooseSparse(
        run, matrices.size(), [&](std::size_t i) { return matrices[i]; }, shares);
}

} // namespace

class OutliersTest : public QObject {
    Q_OBJECT
private slots:
    void fenceOfTheOracle();
    void factorAndThresholdAgree();
    void denseAndSparseOracle();
    void largestTakesTheFirstOfEquals();
    void oneFactorForTheWholeModel();
    void countsAreExactWithTies();
    void equalQuartiles();
    void sensitiveWeightsNeedSensitivities();
};

/// Oracle O4.
void OutliersTest::fenceOfTheOracle() {
    const std::vector<float> w{-8, -3, -2, -1, 0, 1, 2, 3, 4, 20};
    const Tensor matrix = test::matrix(2, 5, w);
    const Quartiles quartiles = quartilesOf(matrix.view());
    QCOMPARE(quartiles.first, -1.75);
    QCOMPARE(quartiles.third, 2.75);
    QCOMPARE(fenceThreshold(quartiles, 1.8), 10.85);
    for (const float value : w) {
        QCOMPARE(fenceFactor(quartiles, value) >= 1.8, value == 20.0F);
    }
}

void OutliersTest::factorAndThresholdAgree() {
    const std::vector<float> w = test::heavyTailed(999, 0.3, 5);
    const Quartiles quartiles = quartilesOf(test::matrix(9, 111, w).view());
    for (const double factor : {0.5, 1.5, 1.8, 3.0}) {
        const double threshold = fenceThreshold(quartiles, factor);
        for (const float value : w) {
            QCOMPARE(
                fenceFactor(quartiles, value) >= factor, std::fabs(double{value}) >= threshold);
        }
    }
}

/// The extraction of oracle O5; that its zeros stay is ours.
void OutliersTest::denseAndSparseOracle() {
    const Tensor w = test::matrix(2, 8, {-6, -5, 0, 1, 7, 8, 40, 2, 3, 3, -3, -4, 9, -30, 0, 5});
    const Tensor f = test::matrix(2, 8, {2, 1, 3, 50, 1, 2, 4, 1, 1, 2, 1, 1, 60, 3, 5, 1});
    QCOMPARE(largest(f.view(), 2), (Positions{3, 12}));
    const SparseChoice choice =
        chosen({{w.view(), f.view()}}, {.sensitive = 2.0 / 16, .outliers = 2.0 / 16});
    QCOMPARE(choice.positions.at(0), (Positions{3, 6, 12, 13}));
    const Quartiles quartiles = quartilesOf(w.view());
    QCOMPARE(choice.factor, double{static_cast<float>(fenceFactor(quartiles, -30.0F))});
    const SparseChoice sensitive = chosen({{w.view(), f.view()}}, {.sensitive = 2.0 / 16});
    QCOMPARE(sensitive.positions.at(0), (Positions{3, 12}));
    QVERIFY(std::isnan(sensitive.factor));
}

void OutliersTest::largestTakesTheFirstOfEquals() {
    const Tensor values = test::matrix(1, 7, {5, 9, 5, 1, 9, 5, 0});
    QCOMPARE(largest(values.view(), 0), Positions{});
    QCOMPARE(largest(values.view(), 3), (Positions{0, 1, 4}));
    QCOMPARE(largest(values.view(), 4), (Positions{0, 1, 2, 4}));
    QCOMPARE(largest(values.view(), 7), (Positions{0, 1, 2, 3, 4, 5, 6}));
}

/// The heavier tail gives up the larger share.
void OutliersTest::oneFactorForTheWholeModel() {
    const std::vector<float> heavy = test::heavyTailed(4000, 0.1, 6);
    std::vector<float> light(4000);
    Random random(7);
    std::ranges::generate(light, [&] { return static_cast<float>(20.0 * random.normal()); });
    const Tensor a = test::matrix(40, 100, light), b = test::matrix(40, 100, heavy);
    const SparseChoice choice = chosen({{a.view()}, {b.view()}}, {.outliers = 0.0045});
    QCOMPARE(choice.positions[0].size() + choice.positions[1].size(), 36U);
    QVERIFY(choice.positions[1].size() > choice.positions[0].size());
    const auto isChosen = [&](std::size_t matrix, std::size_t i) {
        return std::ranges::binary_search(choice.positions[matrix], static_cast<std::int64_t>(i));
    };
    // Every weight is where the factor says, of both matrices.
    const Quartiles qa = quartilesOf(a.view()), qb = quartilesOf(b.view());
    for (std::size_t i = 0; i < light.size(); ++i) {
        QCOMPARE(static_cast<float>(fenceFactor(qa, light[i])) >= choice.factor, isChosen(0, i));
        QCOMPARE(static_cast<float>(fenceFactor(qb, heavy[i])) >= choice.factor, isChosen(1, i));
    }
}

void OutliersTest::countsAreExactWithTies() {
    // 100 weights of magnitude 8 among small ones: none is more of an outlier than another.
    std::vector<float> w(1000);
    for (std::size_t i = 0; i < w.size(); ++i) {
        w[i] = i % 10 == 3 ? (i % 20 == 3 ? 8.0F : -8.0F) : static_cast<float>(i % 3) - 1.0F;
    }
    const Tensor matrix = test::matrix(10, 100, w);
    const SparseChoice choice = chosen({{matrix.view()}, {matrix.view()}}, {.outliers = 0.06});
    QCOMPARE(choice.positions[0].size(), 100U);
    QCOMPARE(choice.positions[1].size(), 20U);
    QCOMPARE(choice.positions[1].front(), 3);
    QCOMPARE(choice.positions[1].back(), 193);
}

/// Pruned matrices: magnitude decides, in all of them.
void OutliersTest::equalQuartiles() {
    const auto pruned = [](std::uint64_t seed) {
        std::vector<float> w = test::heavyTailed(2000, 1.0, seed);
        for (std::size_t i = 0; i < w.size(); ++i) {
            w[i] = i % 5 < 4 ? 0.0F : w[i];
        }
        return w;
    };
    const std::vector<float> a = pruned(8), b = pruned(9);
    const Tensor first = test::matrix(20, 100, a), second = test::matrix(20, 100, b);
    const SparseChoice choice = chosen({{first.view()}, {second.view()}}, {.outliers = 0.005});
    QCOMPARE(choice.positions[0].size() + choice.positions[1].size(), 20U);
    QVERIFY(std::isfinite(choice.factor));
    for (const auto& [w, positions] :
         {std::pair{a, choice.positions[0]}, {b, choice.positions[1]}}) {
        QVERIFY(!positions.empty());
        const auto magnitude = [&w = w](std::int64_t i) {
            return std::fabs(w[static_cast<std::size_t>(i)]);
        };
        float least = std::numeric_limits<float>::infinity();
        for (const std::int64_t i : positions) {
            least = std::min(least, magnitude(i));
        }
        for (std::int64_t i = 0; i < 2000; ++i) {
            QCOMPARE(magnitude(i) >= least, std::ranges::binary_search(positions, i));
        }
    }
    const Tensor constant = test::matrix(2, 100, std::vector<float>(200, 0.5F));
    QCOMPARE(
        fenceFactor(quartilesOf(constant.view()), 0.5F), -std::numeric_limits<double>::infinity());
    std::vector<float> bad(200, 1.0F);
    bad[117] = std::numeric_limits<float>::quiet_NaN();
    LATHE_VERIFY_THROWS(
        quartilesOf(test::matrix(2, 100, bad).view()), InputError, "row 1, column 17");
}

void OutliersTest::sensitiveWeightsNeedSensitivities() {
    const Tensor matrix = test::matrix(2, 100, std::vector<float>(200, 1.0F));
    LATHE_VERIFY_THROWS(
        chosen({{matrix.view()}}, {.sensitive = 0.01}), InputError, "without sensitivities");
}

LATHE_TEST(OutliersTest);
#include "outliers_test.moc"
