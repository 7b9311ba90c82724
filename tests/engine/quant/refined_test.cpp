// SPDX-License-Identifier: Apache-2.0
#include "engine/core/error.h"
#include "engine/quant/kmeans1d.h"
#include "engine/quant/normal_equations.h"
#include "engine/quant/output_error.h"
#include "engine/quant/refined_rows.h"
#include "kernels/core/half.h"
#include "tests/engine/quant/matrices.h"
#include "tests/support/lathe_test.h"

#include <algorithm>
#include <cmath>
#include <limits>

using namespace lathe;

namespace {

using Hessian = std::vector<float>;

float rounded(double value) { return toFloat(toHalf(static_cast<float>(value))); }

Hessian hessianOf(std::int64_t in, std::int64_t samples, std::uint64_t seed) {
    const Tensor one = test::inputHessian(1, in, samples, seed);
    const auto values = one.view().as<float>();
    return {values.begin(), values.end()};
}

Hessian diagonal(const std::vector<float>& values) {
    Hessian hessian(values.size() * values.size());
    for (std::size_t i = 0; i < values.size(); ++i) {
        hessian[i * values.size() + i] = values[i];
    }
    return hessian;
}

/// The optimum of weighted k-means as it would be stored.
TableRow clustered(const std::vector<float>& w, const std::vector<float>& weights, int k) {
    TableRow row{.weights = w, .table = {}, .codes = {}};
    for (const double centroid : Kmeans1d::optimum(w, weights, k).centroids) {
        row.table.push_back(rounded(centroid));
    }
    for (const float value : w) {
        row.codes.push_back(static_cast<std::uint8_t>(nearestIndex(row.table, value)));
    }
    return row;
}

/// e^T H e by plain loops.
double objective(const Hessian& hessian, const TableRow& row) {
    const std::size_t in = row.weights.size();
    const auto error = [&row](std::size_t i) {
        return double{row.weights[i]} - double{row.table[row.codes[i]]};
    };
    double sum = 0.0;
    for (std::size_t i = 0; i < in * in; ++i) {
        sum += error(i / in) * double{hessian[i]} * error(i % in);
    }
    return sum;
}

/// The least objective of tables of two entries with these codes, in double.
double bestOfTwo(const Hessian& hessian, const std::vector<float>& w, unsigned codes) {
    const std::size_t in = w.size();
    double a[2][2] = {}, b[2] = {}, c = 0.0;
    for (std::size_t i = 0; i < in; ++i) {
        for (std::size_t j = 0; j < in; ++j) {
            const double h = double{hessian[i * in + j]};
            a[codes >> i & 1U][codes >> j & 1U] += h;
            b[codes >> i & 1U] += h * double{w[j]};
            c += h * double{w[i]} * double{w[j]};
        }
    }
    const bool zeros = codes != (1U << in) - 1, ones = codes != 0;
    if (!zeros || !ones) {
        const int only = ones ? 1 : 0;
        return c - b[only] * b[only] / a[only][only];
    }
    const double det = a[0][0] * a[1][1] - a[0][1] * a[1][0];
    const double x = (b[0] * a[1][1] - b[1] * a[0][1]) / det;
    const double y = (b[1] * a[0][0] - b[0] * a[1][0]) / det;
    return c - x * b[0] - y * b[1];
}

double errorOf(const Tensor& w, const Weight& weight, ConstView hessian) {
    ExecContext cpu(Device{}, {.target = Target::Scalar, .threads = 2});
    return outputError(cpu, w.view(), weight, hessian);
}

} // namespace

class RefinedTest : public QObject {
    Q_OBJECT

private slots:
    void normalEquations() {
        const std::vector<double> a{4, 2, 2, 3};
        const std::vector<double> x = solveNormal(a, std::vector<double>{10, 9});
        QVERIFY(std::abs(x[0] - 1.5) < 1e-8 && std::abs(x[1] - 2.0) < 1e-8);
        QCOMPARE(quadratic(a, std::vector<double>{1, 2}), 4.0 + 8.0 + 12.0);
        // Rank one: of all solutions one that is not longer than needed; of an empty code nothing.
        const std::vector<double> singular{1, 1, 0, 1, 1, 0, 0, 0, 0};
        const std::vector<double> y = solveNormal(singular, std::vector<double>{2, 2, 0});
        QVERIFY(std::abs(y[0] + y[1] - 2.0) < 1e-6 && std::abs(y[0] - y[1]) < 1e-3);
        QCOMPARE(y[2], 0.0);
        QCOMPARE(
            solveNormal(std::vector<double>(4), std::vector<double>{1, 1}), std::vector<double>(2));
        // Not a sum of squares by more than rounding: no step.
        QCOMPARE(
            solveNormal(std::vector<double>{1, 3, 3, 1}, std::vector<double>{1, 1}),
            std::vector<double>(2));
    }

    /// Without correlations the objective is that of weighted k-means, whose optimum stays.
    void diagonalKeepsTheOptimum() {
        const std::size_t in = 300;
        const std::vector<float> w = test::heavyTailed(in, 0.1, 51);
        std::vector<float> weights = test::heavyTailed(in, 1.0, 52);
        std::ranges::transform(weights, weights.begin(), [](float v) { return v * v + 0.01F; });
        for (const int k : {2, 8, 16}) {
            std::vector<TableRow> rows{clustered(w, weights, k)};
            refineRows(diagonal(weights), rows);
            const double optimum = Kmeans1d::optimum(w, weights, k).cost;
            QVERIFY(rows[0].objectives.back() <= rows[0].objectives.front());
            QVERIFY(rows[0].objectives.back() >= optimum * (1.0 - 1e-12));
            QVERIFY(rows[0].objectives.back() <= optimum * (1.0 + 1e-3));
        }
    }

    /// From anywhere it ends where neither a code nor the table alone can be better.
    void diagonalEndsInALocalOptimum() {
        const std::size_t in = 200;
        const std::vector<float> w = test::heavyTailed(in, 0.1, 53);
        std::vector<float> weights = test::heavyTailed(in, 1.0, 54);
        std::ranges::transform(weights, weights.begin(), [](float v) { return v * v + 0.01F; });
        TableRow row{.weights = w, .table = {-0.5F, -0.25F, 0.25F, 0.5F}, .codes = {}};
        for (std::size_t i = 0; i < in; ++i) {
            row.codes.push_back(i % 4);
        }
        std::vector<TableRow> rows{row};
        refineRows(diagonal(weights), rows, {.rounds = 100, .leastGain = 0.0});
        std::vector<double> sum(4), weight(4);
        for (std::size_t i = 0; i < in; ++i) {
            const float stored = rows[0].table[rows[0].codes[i]];
            for (const float other : rows[0].table) {
                QVERIFY(std::abs(double{w[i]} - stored) <= std::abs(double{w[i]} - other) + 1e-7);
            }
            sum[rows[0].codes[i]] += double{weights[i]} * double{w[i]};
            weight[rows[0].codes[i]] += double{weights[i]};
        }
        for (std::size_t c = 0; c < 4; ++c) {
            QCOMPARE(rows[0].table[c], rounded(sum[c] / weight[c]));
        }
    }

    void objectiveNeverRises_data() {
        QTest::addColumn<int>("samples");
        QTest::newRow("many samples") << 400;
        QTest::newRow("fewer than columns") << 17;
        QTest::newRow("one sample") << 1;
    }
    void objectiveNeverRises() {
        QFETCH(const int, samples);
        const std::int64_t in = 120;
        const Hessian hessian = hessianOf(in, samples, 55);
        for (const int k : {2, 8, 256}) {
            std::vector<TableRow> rows;
            for (std::uint64_t seed = 60; seed < 65; ++seed) {
                rows.push_back(clustered(test::heavyTailed(in, 0.1, seed), {}, k));
            }
            refineRows(hessian, rows);
            for (const TableRow& row : rows) {
                QVERIFY(row.objectives.size() >= 3);
                // What float leaves of a Hessian of low rank is no sum of squares: near zero the
                // objective is rounding.
                const double noise = 1e-6 * row.objectives.front();
                for (std::size_t i = 1; i < row.objectives.size(); ++i) {
                    QVERIFY(row.objectives[i] <= row.objectives[i - 1] + 1e-9 * noise);
                }
                QVERIFY(std::abs(objective(hessian, row) - row.objectives.back()) <= 1e-3 * noise);
                // With an entry per weight there is but rounding to lose.
                QVERIFY(row.objectives.back() < (k < in ? 0.9 : 1.0) * row.objectives.front());
                QVERIFY(std::ranges::is_sorted(row.table));
                for (const float entry : row.table) {
                    QCOMPARE(entry, rounded(entry));
                }
            }
        }
    }

    /// All tables of two entries for five weights.
    void tinyRowsAgainstAllChoices() {
        int global = 0;
        constexpr int kCases = 40;
        for (std::uint64_t seed = 0; seed < kCases; ++seed) {
            const std::vector<float> w = test::heavyTailed(5, 1.0, 100 + seed);
            const Hessian hessian = hessianOf(5, 12, 200 + seed);
            std::vector<TableRow> rows{clustered(w, {}, 2)};
            refineRows(hessian, rows, {.rounds = 50, .leastGain = 0.0});
            const double found = objective(hessian, rows[0]);
            double best = std::numeric_limits<double>::infinity();
            for (unsigned codes = 0; codes < 32; ++codes) {
                best = std::min(best, bestOfTwo(hessian, w, codes));
            }
            QVERIFY(found >= best * (1.0 - 1e-6));
            global += found <= best * 1.002 ? 1 : 0; // entries are rounded to F16
            // No other table for its codes, and no single other code, is better.
            unsigned codes = 0;
            for (std::size_t i = 0; i < 5; ++i) {
                codes |= static_cast<unsigned>(rows[0].codes[i]) << i;
                TableRow other = rows[0];
                other.codes[i] ^= 1U;
                QVERIFY(objective(hessian, other) >= found * (1.0 - 1e-9));
            }
            QVERIFY(found <= bestOfTwo(hessian, w, codes) * 1.002);
        }
        QVERIFY2(global >= kCases / 2, std::to_string(global).c_str());
    }

    /// What H knows nothing of stays as it was.
    void columnsWithoutInputsKeepTheirCodes() {
        const std::int64_t in = 60;
        Hessian hessian = hessianOf(in, 200, 57);
        for (std::size_t i = 0; i < 60; ++i) {
            hessian[7 * 60 + i] = hessian[i * 60 + 7] = 0.0F;
        }
        TableRow start = clustered(test::heavyTailed(in, 0.1, 58), {}, 4);
        start.codes[7] = 3;
        std::vector<TableRow> rows{start};
        refineRows(hessian, rows);
        QCOMPARE(rows[0].codes[7], std::uint8_t{3});
        QVERIFY(rows[0].objectives.back() < rows[0].objectives.front());
        rows = {start};
        refineRows(Hessian(60 * 60), rows);
        QCOMPARE(rows[0].codes, start.codes);
        QCOMPARE(rows[0].table, start.table);
        QCOMPARE(rows[0].objectives.back(), 0.0);
    }

    void betterThanItsStart_data() {
        QTest::addColumn<int>("bits");
        for (int bits = 1; bits <= 8; ++bits) {
            QTest::addRow("%d bits", bits) << bits;
        }
    }
    void betterThanItsStart() {
        QFETCH(const int, bits);
        const Tensor w = test::matrix(10, 96, test::heavyTailed(960, 0.05, 59));
        const Tensor hessian = test::inputHessian(3, 96, 300, 60);
        const QuantizeOptions options{.bits = bits};
        const double start = errorOf(w, test::quantized("squeezellm", w, options), hessian.view());
        const double end = errorOf(
            w, test::quantized("refined", w, options, 2, {}, {}, hessian.view()), hessian.view());
        // From 7 bits on there is an entry for every weight, and but rounding to lose.
        QVERIFY2(end < (bits < 7 ? 0.7 : 1.0) * start, std::to_string(end / start).c_str());
    }

    /// Each group of rows goes by its own Hessian.
    void groupsAreThoseOfTheRows() {
        const std::vector<float> w = test::heavyTailed(7 * 40, 0.05, 61);
        const Tensor hessian = test::inputHessian(2, 40, 100, 62);
        const std::vector<float> both = test::values(test::quantized(
            "refined", test::matrix(7, 40, w), {.bits = 2}, 1, {}, {}, hessian.view()));
        const auto alone = [&](std::int64_t from, std::int64_t to, std::int64_t group) {
            return test::values(test::quantized(
                "refined",
                test::matrix(to - from, 40, {w.begin() + from * 40, w.begin() + to * 40}),
                {.bits = 2}, 1, {}, {}, hessian.slice(group, group + 1).view()));
        };
        std::vector<float> joined = alone(0, 3, 0);
        const std::vector<float> second = alone(3, 7, 1);
        joined.insert(joined.end(), second.begin(), second.end());
        QCOMPARE(both, joined);
    }

    void refusals() {
        const Tensor w = test::matrix(2, 4, std::vector<float>(8, 1.0F));
        Tensor hessian = test::inputHessian(2, 4, 9, 63);
        hessian.view().as<float>()[16 + 6] = std::numeric_limits<float>::quiet_NaN();
        LATHE_VERIFY_THROWS(
            test::quantized("refined", w, {.bits = 2}, 1, {}, {}, hessian.view()), InputError,
            "layer.7.up: the Hessian of group 1 in row 1, column 2 is not finite");
        const Tensor three = test::inputHessian(3, 4, 9, 64);
        LATHE_VERIFY_THROWS(
            test::quantized("refined", w, {.bits = 2}, 1, {}, {}, three.view()), InputError,
            "needed is [groups, 4, 4] of F32 on the host, of 1 to 2 groups");
        test::SilentSink sink;
        RunControl run(1, sink, {});
        ExecContext cpu(Device{}, {.target = Target::Scalar, .threads = 1});
        const Tensor ones = test::allOnes(w.shape());
        LATHE_VERIFY_THROWS(
            quantizers().at("refined").quantize(
                run, cpu, w.view(), {.name = "m", .sensitivity = ones.view()}, {.bits = 2}),
            InputError, "by Hessians, of which there are none");
    }
};

LATHE_TEST(RefinedTest);
#include "refined_test.moc"
