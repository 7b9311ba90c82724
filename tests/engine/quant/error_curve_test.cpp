// SPDX-License-Identifier: Apache-2.0
#include "engine/quant/error_curve.h"

#include "engine/core/error.h"
#include "engine/quant/kmeans1d.h"
#include "engine/quant/outliers.h"
#include "engine/quant/weighted_error.h"
#include "tests/engine/quant/matrices.h"
#include "tests/support/lathe_test.h"

#include <algorithm>
#include <cmath>

using namespace lathe;

namespace {

using Positions = std::vector<std::int64_t>;

/// A matrix with its sensitivities, on two threads unless told otherwise.
struct Case {
    Tensor w, sensitivity;
    ExecContext cpu;
    test::SilentSink sink;
    RunControl run{1, sink, {}};

    Case(Tensor weights, Tensor fisher, int threads = 2)
        : w(std::move(weights)), sensitivity(std::move(fisher)),
          cpu(Device{}, {.target = Target::Scalar, .threads = threads}) {}

    LayerStatistics statistics() const { return {"layer.7.up", sensitivity.view()}; }
    std::vector<CurvePoint> curve() { return errorCurve(run, cpu, w.view(), statistics()); }
    Positions sparse(int bits, std::int64_t count) {
        return sparseBySaving(run, cpu, w.view(), statistics(), bits, count);
    }
};

std::vector<float> lognormal(std::int64_t count, std::uint64_t seed) {
    Random random(seed);
    std::vector<float> values(static_cast<std::size_t>(count));
    std::ranges::generate(
        values, [&] { return static_cast<float>(std::exp(1.5 * random.normal())); });
    return values;
}

Case drawn(std::int64_t out, std::int64_t in, int threads = 2, DType dtype = DType::F16) {
    return {
        test::matrix(out, in, test::heavyTailed(out * in, 0.1, 11), dtype),
        test::matrix(out, in, lognormal(out * in, 12)), threads};
}

const CurvePoint& at(const std::vector<CurvePoint>& curve, int bits, double sparsity = 0.0) {
    for (const CurvePoint& point : curve) {
        if (point.bits == bits && point.sparsity == sparsity) {
            return point;
        }
    }
    throw std::runtime_error("the curve has no such point");
}

/// Cost of the optimal tables of all rows without some weights.
double costWithout(const Case& made, int bits, const Positions& taken) {
    const std::vector<float> w = test::values(Weight(DenseWeight{made.w.share()}));
    const std::span<const float> fisher = made.sensitivity.view().as<float>();
    const std::int64_t in = made.w.shape()[1];
    double cost = 0.0;
    for (std::int64_t row = 0; row < made.w.shape()[0]; ++row) {
        std::vector<float> values, weights;
        for (std::int64_t i = row * in; i < (row + 1) * in; ++i) {
            if (!std::ranges::binary_search(taken, i)) {
                values.push_back(w[static_cast<std::size_t>(i)]);
                weights.push_back(fisher[static_cast<std::size_t>(i)]);
            }
        }
        cost += Kmeans1d::optimum(values, weights, 1 << bits).cost;
    }
    return cost;
}

} // namespace

class ErrorCurveTest : public QObject {
    Q_OBJECT
private slots:
    void denseOracle();
    void bytesAndErrorsAreThoseOfTheQuantizer();
    void errorsFallWithBitsAndSparsity();
    void theWeightsThatSaveMostLeave();
    void outliersLeaveBeforeBitsAreAdded();
    void rowsWithoutSensitivityCostNothing();
    void threadsChangeNothing();
    void smallMatricesHaveFewPoints();
    void largeWeightsCountWideValues();
    void progressRises();
    void aStopIsObeyed();
    void sensitivitiesAreNeeded();
};

/// Oracle O1.
void ErrorCurveTest::denseOracle() {
    Case one(
        test::matrix(1, 12, {-44, -25, -22, -12, -5, -2, 1, 3, 8, 18, 23, 52}),
        test::matrix(1, 12, {1, 2, 9, 1, 4, 1, 16, 3, 2, 8, 1, 1}));
    const std::vector<CurvePoint> curve = one.curve();
    // At 3 bits codes and table take 24 bytes, as 12 weights in F16 do.
    QCOMPARE(curve.size(), 2U);
    QVERIFY(std::fabs(curve[0].error - 597125.0 / 117) < 1e-9);
    QVERIFY(std::fabs(curve[1].error - 201337.0 / 234) < 1e-9);
}

void ErrorCurveTest::bytesAndErrorsAreThoseOfTheQuantizer() {
    Case made = drawn(24, 500);
    int sparse = 0;
    for (const CurvePoint& point : made.curve()) {
        const Positions beside = made.sparse(point.bits, point.sparseCount);
        QCOMPARE(static_cast<std::int64_t>(beside.size()), point.sparseCount);
        const Weight stored = test::quantized(
            point.sparseCount > 0 ? "squeezellm-sparse" : "squeezellm", made.w,
            {.bits = point.bits}, 2, made.sensitivity.view(), beside);
        QCOMPARE(point.bytes, storedBytes(stored));
        const double error =
            weightedError(made.cpu, made.w.view(), stored, made.sensitivity.view());
        // Tables are rounded to F16: nothing beside a table of few entries, more beside a fine one.
        const double tolerance = point.bits <= 5 ? 1e-3 : 0.05;
        const std::string both =
            std::to_string(point.bits) + " bit, " + std::to_string(point.sparsity) +
            " %: " + std::to_string(point.error) + " against " + std::to_string(error);
        QVERIFY2(std::fabs(point.error - error) <= tolerance * error, both.c_str());
        sparse += point.sparseCount > 0 ? 1 : 0;
    }
    QCOMPARE(sparse, kMostSparseBits * 5);
}

void ErrorCurveTest::errorsFallWithBitsAndSparsity() {
    Case made = drawn(16, 700);
    const std::vector<CurvePoint> curve = made.curve();
    QCOMPARE(curve.back().bits, 8);
    for (int bits = 1; bits < 8; ++bits) {
        QVERIFY(at(curve, bits + 1).error < at(curve, bits).error);
        QVERIFY(at(curve, bits + 1).bytes > at(curve, bits).bytes);
    }
    for (int bits = 1; bits <= kMostSparseBits; ++bits) {
        double before = at(curve, bits).error;
        for (const double sparsity : kCurveSparsities) {
            QVERIFY(at(curve, bits, sparsity).error < before);
            before = at(curve, bits, sparsity).error;
        }
    }
}

/// At equal numbers of them, leaving by saving beats leaving by own error, by sensitivity, and by
/// magnitude, as weights do in the paper.
void ErrorCurveTest::theWeightsThatSaveMostLeave() {
    Case made = drawn(40, 250);
    const std::vector<float> w = test::values(Weight(DenseWeight{made.w.share()}));
    const std::span<const float> fisher = made.sensitivity.view().as<float>();
    const std::vector<CurvePoint> curve = made.curve();
    for (const int bits : {1, 2, 3, 4}) {
        std::vector<float> own(w.size()), magnitude(w.size());
        for (std::size_t row = 0; row < 40; ++row) {
            const auto values = std::span(w).subspan(row * 250, 250);
            const Clustering tables =
                Kmeans1d::optimum(values, fisher.subspan(row * 250, 250), 1 << bits);
            for (std::size_t i = 0; i < 250; ++i) {
                const int code = nearestCentroid(tables.centroids, values[i]);
                const double away = static_cast<double>(values[i]) -
                                    tables.centroids[static_cast<std::size_t>(code)];
                own[row * 250 + i] =
                    static_cast<float>(static_cast<double>(fisher[row * 250 + i]) * away * away);
                magnitude[row * 250 + i] = std::fabs(values[i]);
            }
        }
        const CurvePoint& point = at(curve, bits, 1.0);
        const Tensor byError = test::matrix(40, 250, own);
        const Tensor byMagnitude = test::matrix(40, 250, magnitude);
        const double chosen = costWithout(made, bits, made.sparse(bits, point.sparseCount));
        QVERIFY(std::fabs(point.error - chosen) <= 1e-9 * chosen);
        for (const Tensor* other :
             std::initializer_list<const Tensor*>{&byError, &made.sensitivity, &byMagnitude}) {
            QVERIFY(chosen < costWithout(made, bits, largest(other->view(), point.sparseCount)));
        }
    }
    QCOMPARE(made.sparse(3, 0), Positions{});
}

/// The rule of sparse or bits: a few far weights are cheaper to take out than another bit for all,
/// and where all weights are alike the bit is better.
void ErrorCurveTest::outliersLeaveBeforeBitsAreAdded() {
    std::vector<float> far(64 * 1024);
    Random random(4);
    std::ranges::generate(far, [&] { return static_cast<float>(0.1 * random.normal()); });
    Case smooth(test::matrix(64, 1024, far), test::allOnes({64, 1024}));
    for (std::size_t i = 0; i < far.size(); i += 131) {
        far[i] = 100.0F * (1.0F + static_cast<float>(random.uniform()));
    }
    Case rough(test::matrix(64, 1024, far), test::allOnes({64, 1024}));
    const auto isSparseBetter = [](const std::vector<CurvePoint>& curve) {
        const CurvePoint& dense = at(curve, 3);
        const CurvePoint& sparse = at(curve, 2, 1.0);
        return sparse.bytes < dense.bytes && sparse.error < dense.error;
    };
    QVERIFY(isSparseBetter(rough.curve()));
    QVERIFY(!isSparseBetter(smooth.curve()));
}

void ErrorCurveTest::rowsWithoutSensitivityCostNothing() {
    const std::vector<float> values = test::heavyTailed(2 * 400, 1.0, 5);
    std::vector<float> fisher(values.size(), 1.0F);
    std::fill_n(fisher.begin(), 400, 0.0F);
    Case both(test::matrix(2, 400, values), test::matrix(2, 400, fisher));
    Case second(
        test::matrix(1, 400, {values.begin() + 400, values.end()}), test::allOnes({1, 400}));
    const auto all = both.curve(), alone = second.curve();
    QCOMPARE(at(all, 3).error, at(alone, 3).error);
    for (const std::int64_t position : both.sparse(3, 20)) {
        QVERIFY(position >= 400);
    }
}

void ErrorCurveTest::threadsChangeNothing() {
    QVERIFY(drawn(33, 150, 1).curve() == drawn(33, 150, 3).curve());
}

/// No sparse part of no weights, no two of the same number.
void ErrorCurveTest::smallMatricesHaveFewPoints() {
    const std::vector<CurvePoint> curve = drawn(3, 100).curve();
    std::vector<std::int64_t> counts;
    for (const CurvePoint& point : curve) {
        if (point.bits == 2) {
            counts.push_back(point.sparseCount);
        }
    }
    QCOMPARE(counts, (Positions{0, 1, 3}));
}

/// The values beside the tables exceed F16, and are counted as F32.
void ErrorCurveTest::largeWeightsCountWideValues() {
    std::vector<float> values = test::heavyTailed(4 * 300, 0.1, 6);
    values[7] = 60000.0F;
    Case made(test::matrix(4, 300, values), test::allOnes({4, 300}));
    const CurvePoint point = at(made.curve(), 2, 0.1);
    QCOMPARE(point.sparseCount, 1);
    QCOMPARE(point.bytes, lutBytes(4, 300, 2, 0) + 4 * 5 + 6);
}

void ErrorCurveTest::progressRises() {
    Case made = drawn(300, 600);
    double last = 0.0;
    int reports = 0;
    errorCurve(made.run, made.cpu, made.w.view(), made.statistics(), [&](double share) {
        QVERIFY(share >= last && share <= 1.0 + 1e-9);
        last = share;
        ++reports;
    });
    QVERIFY(reports > kMostSparseBits);
    QVERIFY(last > 0.9);
}

void ErrorCurveTest::aStopIsObeyed() {
    Case made = drawn(20, 200);
    std::stop_source stop;
    stop.request_stop();
    RunControl stopped(1, made.sink, stop.get_token());
    QVERIFY_THROWS_EXCEPTION(
        Cancelled, errorCurve(stopped, made.cpu, made.w.view(), made.statistics()));
}

void ErrorCurveTest::sensitivitiesAreNeeded() {
    Case made = drawn(2, 100);
    LATHE_VERIFY_THROWS(
        errorCurve(made.run, made.cpu, made.w.view(), {.name = "up"}), InputError, "sensitivities");
}

LATHE_TEST(ErrorCurveTest);
#include "error_curve_test.moc"
