// SPDX-License-Identifier: Apache-2.0
#include "experiments/measured_losses.h"

#include "tests/support/lathe_test.h"

#include <cmath>
#include <limits>

namespace lathe {

class MeasuredLossesTest : public QObject {
    Q_OBJECT
private slots:
    void measuredLossesAreMet();
    void betweenThemFactorsAreMeans();
    void beyondThemTheNearestHolds();
    void whatTellsNothingIsPassedOver();
    void orderIsKept();
};

namespace {

const std::vector<MeasuredLoss> kLosses{{2, 0.1, 0.18}, {3, 0.02, 0.03}, {4, 0.005, 0.005}};

bool isNear(double a, double b) { return std::abs(a - b) <= 1e-12 * std::abs(b); }

} // namespace

void MeasuredLossesTest::measuredLossesAreMet() {
    for (const MeasuredLoss& loss : kLosses) {
        QVERIFY(isNear(correctedLoss(loss.predicted, kLosses), loss.measured));
    }
}

void MeasuredLossesTest::betweenThemFactorsAreMeans() {
    // Half way in the logarithm: the geometric mean of 1.8 and 1.5.
    const double between = std::sqrt(0.1 * 0.02);
    QVERIFY(isNear(correctedLoss(between, kLosses), between * std::sqrt(1.8 * 1.5)));
}

void MeasuredLossesTest::beyondThemTheNearestHolds() {
    QVERIFY(isNear(correctedLoss(0.4, kLosses), 0.4 * 1.8));
    QVERIFY(isNear(correctedLoss(1e-5, kLosses), 1e-5));
    QVERIFY(isNear(correctedLoss(0.7, std::span(kLosses).first(1)), 0.7 * 1.8));
    QVERIFY(isNear(correctedLoss(0.001, std::span(kLosses).first(1)), 0.001 * 1.8));
}

void MeasuredLossesTest::whatTellsNothingIsPassedOver() {
    QCOMPARE(correctedLoss(0.3, {}), 0.3);
    QCOMPARE(correctedLoss(0.0, kLosses), 0.0);
    const std::vector<MeasuredLoss> none{{2, 0.0, 0.5}, {3, 0.1, 0.0}, {4, 0.1, -1e-9}};
    QCOMPARE(correctedLoss(0.3, none), 0.3);
    std::vector<MeasuredLoss> some = kLosses;
    some.insert(some.begin() + 1, none.begin(), none.end());
    QVERIFY(isNear(correctedLoss(0.05, some), correctedLoss(0.05, kLosses)));
    const std::vector<MeasuredLoss> twice{{2, 0.1, 0.2}, {3, 0.1, 0.3}};
    QVERIFY(isNear(correctedLoss(0.1, twice), 0.2));
    QVERIFY(isNear(correctedLoss(0.01, twice), 0.03));
}

/// What is predicted to lose less, loses less, as long as that was measured.
void MeasuredLossesTest::orderIsKept() {
    double before = std::numeric_limits<double>::infinity();
    for (double predicted = 0.5; predicted > 0.001; predicted *= 0.9) {
        const double corrected = correctedLoss(predicted, kLosses);
        QVERIFY(corrected < before);
        before = corrected;
    }
}

LATHE_TEST(MeasuredLossesTest);

} // namespace lathe

#include "measured_losses_test.moc"
