// SPDX-License-Identifier: Apache-2.0
// The oracles O1 and O2 of the specification, and what must hold for every row.
#include "engine/base/random.h"
#include "engine/core/error.h"
#include "engine/quant/kmeans1d.h"
#include "engine/quant/lloyd1d.h"
#include "tests/engine/quant/row_costs.h"
#include "tests/support/lathe_test.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>
#include <numeric>

using namespace lathe;

namespace {

using Row = std::vector<float>;
using Doubles = std::vector<double>;

const Row kValues{-44, -25, -22, -12, -5, -2, 1, 3, 8, 18, 23, 52};
const Row kWeights{1, 2, 9, 1, 4, 1, 16, 3, 2, 8, 1, 1};

bool near(double got, double wanted, double tolerance) {
    return std::abs(got - wanted) <= tolerance;
}

bool nearAll(const Doubles& got, const Doubles& wanted, double tolerance) {
    return std::ranges::equal(
        got, wanted, [tolerance](double a, double b) { return near(a, b, tolerance); });
}

Row normals(std::size_t count, std::uint64_t seed) {
    Random random(seed);
    Row row(count);
    std::ranges::generate(row, [&] { return static_cast<float>(random.normal()); });
    return row;
}

Row lognormals(std::size_t count, double sigma, std::uint64_t seed) {
    Random random(seed);
    Row row(count);
    std::ranges::generate(
        row, [&] { return static_cast<float>(std::exp(sigma * random.normal())); });
    return row;
}

/// Values that break careless sums: repeated, huge, tiny, far from zero, zeros of both signs.
float hostileValue(Random& random) {
    switch (random.below(8)) {
    case 0:
        return 0.0F;
    case 1:
        return -0.0F;
    case 2:
        return std::numeric_limits<float>::max();
    case 3:
        return -std::numeric_limits<float>::max();
    case 4:
        return std::numeric_limits<float>::denorm_min() * static_cast<float>(random.below(5));
    case 5:
        return 10000.0F + 0.001F * static_cast<float>(random.below(9));
    case 6:
        return static_cast<float>(random.below(4));
    default:
        return static_cast<float>(random.normal());
    }
}

/// Values from one or two of the kinds above, so that rows are not all alike.
Row hostileRow(std::size_t count, Random& random) {
    Row row(count);
    const std::uint64_t style = random.below(4);
    std::ranges::generate(row, [&] {
        return style == 0   ? static_cast<float>(random.normal())
               : style == 1 ? 1e6F + static_cast<float>(random.below(10))
                            : hostileValue(random);
    });
    return row;
}

/// None, all zero, some zero, or one that outweighs all the rest.
Row hostileWeights(std::size_t count, Random& random) {
    Row weights(random.below(4) == 0 ? 0 : count);
    const std::uint64_t style = random.below(4);
    std::ranges::generate(weights, [&] {
        const bool none = style == 0 || (style == 1 && random.below(3) == 0);
        return none ? 0.0F : static_cast<float>(std::exp(2.0 * random.normal()));
    });
    if (style == 2 && !weights.empty()) {
        weights[random.below(count)] *= 1e25F;
    }
    return weights;
}

/// A row of zero weights counts every value alike.
std::span<const float> effective(const Row& weights) {
    const bool zero = std::ranges::all_of(weights, [](float w) { return w == 0.0F; });
    return zero ? std::span<const float>{} : std::span<const float>(weights);
}

/// Lloyd's iterations until the clusters stand still.
Doubles lloyd(const Row& values, std::span<const float> weights, const Doubles& start) {
    return Lloyd1d(values, weights)
        .refined(start, {.iterations = 1000, .tolerance = 0.0})
        .centroids;
}

/// Splits [from, to) of the oracle's row by the best pair of clusters, `levels` times.
double nestedCost(std::size_t from, std::size_t to, int levels) {
    const std::span values(kValues.data() + from, to - from);
    const std::span weights(kWeights.data() + from, to - from);
    if (levels == 0 || values.size() == 1) {
        return Kmeans1d(values, weights, 1).clustering(1).cost;
    }
    const Clustering pair = Kmeans1d(values, weights, 2).clustering(2);
    std::size_t border = from;
    while (std::abs(kValues[border] - pair.centroids[0]) <=
           std::abs(kValues[border] - pair.centroids[1])) {
        ++border;
    }
    return nestedCost(from, border, levels - 1) + nestedCost(border, to, levels - 1);
}

} // namespace

class Kmeans1dTest : public QObject {
    Q_OBJECT

private slots:
    void oracle_data() {
        QTest::addColumn<double>("cost");
        QTest::addColumn<std::vector<double>>("centroids");
        QTest::newRow("1") << 671158.0 / 49 << Doubles{-66.0 / 49};
        QTest::newRow("2") << 597125.0 / 117 << Doubles{-304.0 / 13, 119.0 / 18};
        QTest::newRow("3") << 121361.0 / 65 << Doubles{-304.0 / 13, 19.0 / 26, 219.0 / 10};
        QTest::newRow("4") << 201337.0 / 234 << Doubles{-304.0 / 13, 19.0 / 26, 167.0 / 9, 52};
        QTest::newRow("5") << 93601.0 / 234 << Doubles{-44, -65.0 / 3, 19.0 / 26, 167.0 / 9, 52};
        QTest::newRow("6") << 180193.0 / 990
                           << Doubles{-44, -248.0 / 11, -32.0 / 5, 39.0 / 22, 167.0 / 9, 52};
        QTest::newRow("7") << 38293.0 / 396
                           << Doubles{-44, -248.0 / 11, -32.0 / 5, 23.0 / 20, 8, 167.0 / 9, 52};
        QTest::newRow("8") << 510266.0 / 9405
                           << Doubles{-44,       -248.0 / 11, -12,       -22.0 / 5,
                                      25.0 / 19, 8,           167.0 / 9, 52};
    }
    void oracle() {
        QFETCH(const double, cost);
        QFETCH(const std::vector<double>, centroids);
        const int k = static_cast<int>(centroids.size());
        const Kmeans1d solved(kValues, kWeights, 8);
        QVERIFY(near(solved.clustering(k).cost, cost, 1e-11 * cost));
        QVERIFY(nearAll(solved.clustering(k).centroids, centroids, 1e-12));
        QVERIFY(near(solved.errorCurve()[centroids.size() - 1], cost, 1e-11 * cost));
        const Clustering alone = Kmeans1d::optimum(kValues, kWeights, k);
        QCOMPARE(alone.cost, solved.clustering(k).cost);
        QCOMPARE(alone.centroids, solved.clustering(k).centroids);
    }

    void unweightedOracle() {
        const Clustering plain = Kmeans1d::optimum(kValues, {}, 4);
        QVERIFY(near(plain.cost, 536.0, 1e-11));
        QVERIFY(nearAll(plain.centroids, {-91.0 / 3, -7.0 / 6, 41.0 / 2, 52}, 1e-12));
        QVERIFY(near(test::assignmentCost(kValues, kWeights, plain.centroids), 1397.0, 1e-10));
    }

    void nestedSplitsOracle() {
        QVERIFY(near(nestedCost(0, kValues.size(), 2), 274303.0 / 195, 1e-9));
        QVERIFY(near(nestedCost(0, kValues.size(), 3), 468128.0 / 3465, 1e-9));
    }

    /// The reference of the other tests is checked too, with the specification's numbers for it.
    void lloydOracle() {
        const Doubles even = lloyd(kValues, kWeights, {-44, -12, 20, 52});
        QVERIFY(near(test::assignmentCost(kValues, kWeights, even), 1689673.0 / 396, 1e-9));
        const double best = Kmeans1d::optimum(kValues, kWeights, 4).cost;
        int starts = 0, optimal = 0;
        double worst = 0.0;
        for (std::uint32_t mask = 0; mask < (1U << kValues.size()); ++mask) {
            if (std::popcount(mask) != 4) {
                continue;
            }
            Doubles start;
            for (std::size_t i = 0; i < kValues.size(); ++i) {
                if ((mask >> i & 1U) != 0) {
                    start.push_back(kValues[i]);
                }
            }
            const double cost =
                test::assignmentCost(kValues, kWeights, lloyd(kValues, kWeights, start));
            QVERIFY(cost >= best * (1.0 - 1e-12));
            optimal += cost <= best * (1.0 + 1e-12) ? 1 : 0;
            worst = std::max(worst, cost);
            ++starts;
        }
        QCOMPARE(starts, 495);
        QCOMPARE(optimal, 91);
        QVERIFY(near(worst, 5544.324, 1e-3));
    }

    void smallHostileRowsAreOptimal() {
        Random random(20260);
        for (int trial = 0; trial < 2000; ++trial) {
            const std::size_t count = 1 + random.below(9);
            Row values = hostileRow(count, random);
            const Row weights = hostileWeights(count, random);
            std::ranges::sort(values);
            const double scale = test::bruteForce(values, effective(weights), 1);
            const int most = static_cast<int>(count) + 2;
            const Kmeans1d solved(values, weights, most);
            const Doubles curve = solved.errorCurve();
            QCOMPARE(curve.size(), static_cast<std::size_t>(most));
            for (int k = 1; k <= most; ++k) {
                const double wanted = test::bruteForce(values, effective(weights), k);
                const Clustering found = solved.clustering(k);
                const QByteArray where =
                    QString::asprintf(
                        "row %d, k %d: %g instead of %g", trial, k, found.cost, wanted)
                        .toUtf8();
                QVERIFY2(near(found.cost, wanted, 1e-12 * wanted), where.constData());
                QVERIFY2(
                    near(curve[static_cast<std::size_t>(k) - 1], wanted, 1e-10 * scale),
                    where.constData());
                QVERIFY(std::ranges::is_sorted(found.centroids));
                QCOMPARE(found.centroids.size(), static_cast<std::size_t>(k));
                // Of two equally good clusterings either may be found.
                const double alone = Kmeans1d::optimum(values, weights, k).cost;
                QVERIFY2(near(alone, found.cost, 1e-12 * found.cost), where.constData());
            }
        }
    }

    void neverAboveLloyd() {
        Random random(77);
        for (int trial = 0; trial < 60; ++trial) {
            const std::size_t count = 20 + random.below(200);
            const Row values = hostileRow(count, random);
            const Row weights = hostileWeights(count, random);
            const int k = 2 + static_cast<int>(random.below(15));
            const Kmeans1d solved(values, weights, k);
            const double cost = solved.clustering(k).cost;
            const double slack = 1e-10 * solved.errorCurve()[0];
            for (int start = 0; start < 20; ++start) {
                Doubles centroids(static_cast<std::size_t>(k));
                std::ranges::generate(centroids, [&] { return values[random.below(count)]; });
                const Doubles found = lloyd(values, effective(weights), centroids);
                QVERIFY(cost <= test::assignmentCost(values, effective(weights), found) + slack);
            }
        }
    }

    void costFallsWithMoreClusters() {
        const Row values = normals(600, 3), weights = lognormals(600, 2.0, 4);
        const Kmeans1d solved(values, weights, 64);
        const Doubles curve = solved.errorCurve();
        for (int k = 2; k <= 64; ++k) {
            QVERIFY(solved.clustering(k).cost < solved.clustering(k - 1).cost);
            const auto i = static_cast<std::size_t>(k) - 1;
            QVERIFY(curve[i] < curve[i - 1]);
            QVERIFY(near(curve[i], solved.clustering(k).cost, 1e-12 * curve[0]));
        }
    }

    /// A cluster's values lie nearer to their own centroid than to any other.
    void costIsThatOfTheNearestCentroid() {
        const Row values = normals(900, 5), weights = lognormals(900, 1.5, 6);
        for (const int k : {2, 3, 7, 16}) {
            const Clustering found = Kmeans1d::optimum(values, weights, k);
            const double cost = test::assignmentCost(values, weights, found.centroids);
            QVERIFY(near(cost, found.cost, 1e-12 * cost));
        }
    }

    void scalingWeightsLeavesCentroids() {
        const Row values = normals(300, 7);
        Row weights = lognormals(300, 1.0, 8);
        const Clustering first = Kmeans1d::optimum(values, weights, 8);
        for (float& weight : weights) {
            weight *= 1024.0F;
        }
        const Clustering second = Kmeans1d::optimum(values, weights, 8);
        QCOMPARE(second.centroids, first.centroids);
        QCOMPARE(second.cost, 1024.0 * first.cost);
    }

    void shiftAndScaleOfValuesMoveCentroidsAlike() {
        Random random(9);
        Row values(300), moved(300);
        for (std::size_t i = 0; i < values.size(); ++i) {
            values[i] = static_cast<float>(random.below(2001)) - 1000.0F;
            moved[i] = 4.0F * values[i] + 100000.0F;
        }
        const Row weights = lognormals(300, 1.0, 10);
        const Clustering first = Kmeans1d::optimum(values, weights, 8);
        Doubles wanted = first.centroids;
        for (double& centroid : wanted) {
            centroid = 4.0 * centroid + 100000.0;
        }
        const Clustering second = Kmeans1d::optimum(moved, weights, 8);
        QVERIFY(nearAll(second.centroids, wanted, 1e-8));
        QVERIFY(near(second.cost, 16.0 * first.cost, 1e-9 * second.cost));
    }

    void orderOfColumnsDoesNotMatter() {
        const Row values = normals(257, 11), weights = lognormals(257, 1.0, 12);
        const Clustering first = Kmeans1d::optimum(values, weights, 16);
        std::vector<std::size_t> order(values.size());
        std::iota(order.begin(), order.end(), std::size_t{0});
        Random random(13);
        for (std::size_t i = order.size(); i-- > 1;) {
            std::swap(order[i], order[random.below(i + 1)]);
        }
        Row shuffled, shuffledWeights;
        for (const std::size_t i : order) {
            shuffled.push_back(values[i]);
            shuffledWeights.push_back(weights[i]);
        }
        const Clustering second = Kmeans1d::optimum(shuffled, shuffledWeights, 16);
        QCOMPARE(second.centroids, first.centroids);
        QCOMPARE(second.cost, first.cost);
    }

    void equalWeightsAreNone() {
        const Row values = normals(301, 14);
        const Clustering plain = Kmeans1d::optimum(values, {}, 8);
        const Clustering halves = Kmeans1d::optimum(values, Row(values.size(), 0.5F), 8);
        const Clustering zeros = Kmeans1d::optimum(values, Row(values.size(), 0.0F), 8);
        QCOMPARE(halves.centroids, plain.centroids);
        QCOMPARE(halves.cost, 0.5 * plain.cost);
        QCOMPARE(zeros.centroids, plain.centroids);
    }

    void enoughClustersCostNothing() {
        const Row values{3, -1, 3, 0.5F, -1, 3}; // three distinct ones
        for (const int k : {3, 4, 8}) {
            const Clustering found = Kmeans1d(values, {}, k).clustering(k);
            Doubles wanted{-1, 0.5, 3};
            wanted.resize(static_cast<std::size_t>(k), 3.0);
            QCOMPARE(found.centroids, wanted);
            QCOMPARE(found.cost, 0.0);
        }
        QCOMPARE(Kmeans1d(values, {}, 8).errorCurve().back(), 0.0);
        QCOMPARE(Kmeans1d::optimum(Row{7.0F}, {}, 2).centroids, (Doubles{7, 7}));
        QCOMPARE(Kmeans1d::optimum(Row(50, 0.25F), {}, 4).centroids, Doubles(4, 0.25));
    }

    /// What has no weight has no say, but a cluster of its own is the plain mean.
    void valuesWithoutWeight() {
        const Row values{0, 1, 100, 102}, weights{1, 1, 0, 0};
        const Clustering one = Kmeans1d::optimum(values, weights, 1);
        QCOMPARE(one.centroids, Doubles{0.5});
        QCOMPARE(one.cost, 0.5);
        const Clustering two = Kmeans1d::optimum(values, weights, 2);
        QCOMPARE(two.cost, 0.0);
        const Clustering all = Kmeans1d::optimum(values, weights, 4);
        QCOMPARE(all.centroids, (Doubles{0, 1, 100, 102}));
    }

    /// Prefix sums in single precision, or around zero, would lose these clusters.
    void narrowClustersFarFromZero() {
        Random random(15);
        Row values(400);
        for (std::size_t i = 0; i < values.size(); ++i) {
            values[i] =
                (i % 4 == 0 ? 5000.0F : 4096.0F) + static_cast<float>(random.below(64)) / 2048.0F;
        }
        const Clustering found = Kmeans1d::optimum(values, {}, 8);
        double best = found.cost * 1.001;
        for (int start = 0; start < 50; ++start) {
            Doubles centroids(8);
            std::ranges::generate(centroids, [&] { return values[random.below(400)]; });
            best = std::min(best, test::assignmentCost(values, {}, lloyd(values, {}, centroids)));
        }
        QVERIFY(found.cost <= best * (1.0 + 1e-9));
        QVERIFY(found.cost < 3e-3); // one cluster for each of the two bands: 3e-2
    }

    void refusals() {
        const Row values{1, 2, 3};
        const float nan = std::numeric_limits<float>::quiet_NaN();
        const float infinite = std::numeric_limits<float>::infinity();
        LATHE_VERIFY_THROWS(Kmeans1d({}, {}, 2), InputError, "empty");
        LATHE_VERIFY_THROWS(Kmeans1d(Row{1, nan}, {}, 2), InputError, "value 1");
        LATHE_VERIFY_THROWS(Kmeans1d(Row{-infinite, 1}, {}, 2), InputError, "value 0");
        LATHE_VERIFY_THROWS(Kmeans1d(values, Row{1, 1}, 2), InputError, "2 weights for 3");
        LATHE_VERIFY_THROWS(Kmeans1d(values, Row{1, -1, 1}, 2), InputError, "weight 1");
        LATHE_VERIFY_THROWS(Kmeans1d(values, Row{1, 1, infinite}, 2), InputError, "weight 2");
        LATHE_VERIFY_THROWS(Kmeans1d(values, {}, 0), InputError, "at least one cluster");
        LATHE_VERIFY_THROWS(Kmeans1d::optimum(values, {}, 0), InputError, "at least one cluster");
        LATHE_VERIFY_THROWS(Kmeans1d(values, {}, 2).clustering(3), InputError, "1..2");
        LATHE_VERIFY_THROWS(Kmeans1d(values, {}, 2).clustering(0), InputError, "0 clusters");
    }

    void nearestEntry() {
        const Row table{-2, 0, 0, 1, 1, 1, 4};
        QCOMPARE(nearestIndex(table, -100.0F), 0);
        QCOMPARE(nearestIndex(table, -1.0F), 0); // tie: the lower entry
        QCOMPARE(nearestIndex(table, -0.9F), 1); // repeated: the first
        QCOMPARE(nearestIndex(table, 0.5F), 1);
        QCOMPARE(nearestIndex(table, 1.0F), 3);
        QCOMPARE(nearestIndex(table, 2.5F), 3);
        QCOMPARE(nearestIndex(table, 2.6F), 6);
        QCOMPARE(nearestIndex(table, 100.0F), 6);
        LATHE_VERIFY_THROWS(nearestIndex({}, 1.0F), InputError, "empty");
        Row sorted = normals(31, 16);
        std::ranges::sort(sorted);
        for (const float value : normals(500, 17)) {
            const auto distance = [value](float entry) {
                return std::abs(static_cast<double>(entry) - static_cast<double>(value));
            };
            const auto best = std::ranges::min_element(sorted, {}, distance);
            QCOMPARE(nearestIndex(sorted, value), static_cast<int>(best - sorted.begin()));
        }
    }
};

LATHE_TEST(Kmeans1dTest);
#include "kmeans1d_test.moc"
