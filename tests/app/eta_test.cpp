// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/eta.h"

#include "tests/support/lathe_test.h"

#include <limits>

namespace lathe {

class EtaTest : public QObject {
    Q_OBJECT
private slots:
    void saysNothingBeforeThreeSteps();
    void evenStepsGiveANarrowRange();
    void unevenStepsGiveAWideRange();
    void strangeReportsAreIgnored();
    void neverNegative();
};

void EtaTest::saysNothingBeforeThreeSteps() {
    EtaEstimator eta;
    eta.report(0.1, 1.0);
    eta.report(0.2, 2.0);
    eta.report(0.201, 2.5); // too small to be a step
    QVERIFY(!eta.remaining());
    eta.report(0.3, 3.0);
    QVERIFY(eta.remaining().has_value());
}

void EtaTest::evenStepsGiveANarrowRange() {
    EtaEstimator eta;
    for (int i = 1; i <= 5; ++i) {
        eta.report(0.1 * i, 2.0 * i);
    }
    const auto left = eta.remaining();
    QVERIFY(left.has_value());
    QVERIFY(std::abs(left->lowSeconds - 10.0) < 0.01);
    QVERIFY(std::abs(left->highSeconds - 10.0) < 0.01);
}

void EtaTest::unevenStepsGiveAWideRange() {
    EtaEstimator eta;
    double seconds = 0.0;
    for (int i = 1; i <= 6; ++i) {
        seconds += i % 2 == 0 ? 4.0 : 1.0;
        eta.report(0.1 * i, seconds);
    }
    const auto left = eta.remaining();
    QVERIFY(left.has_value());
    QVERIFY(left->highSeconds - left->lowSeconds > 3.0);
    QVERIFY(left->lowSeconds < 10.0 && left->highSeconds > 10.0);
}

void EtaTest::strangeReportsAreIgnored() {
    EtaEstimator eta;
    for (int i = 1; i <= 4; ++i) {
        eta.report(0.1 * i, 1.0 * i);
    }
    const auto before = eta.remaining();
    eta.report(std::numeric_limits<double>::quiet_NaN(), 5.0);
    eta.report(0.2, 5.0);  // back
    eta.report(0.5, -1.0); // back in time
    const auto after = eta.remaining();
    QVERIFY(after.has_value());
    QVERIFY(after->highSeconds <= before->highSeconds);
    QVERIFY(std::isfinite(after->lowSeconds));
}

void EtaTest::neverNegative() {
    EtaEstimator eta;
    for (const double fraction : {0.2, 0.5, 0.9, 1.0, 7.0}) {
        eta.report(fraction, fraction * fraction * 50.0);
        if (const auto left = eta.remaining()) {
            QVERIFY(left->lowSeconds >= 0.0 && left->highSeconds >= left->lowSeconds);
        }
    }
}

LATHE_TEST(EtaTest);

} // namespace lathe

#include "eta_test.moc"
