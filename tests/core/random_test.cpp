// SPDX-License-Identifier: Apache-2.0
#include "engine/base/random.h"
#include "tests/support/lathe_test.h"

#include <cmath>

namespace lathe {

class RandomTest : public QObject {
    Q_OBJECT
private slots:
    void equalSeedsGiveEqualNumbers() {
        Random a(7);
        Random b(7);
        Random c(8);
        bool differs = false;
        for (int i = 0; i < 100; ++i) {
            const std::uint64_t value = a.next();
            QCOMPARE(b.next(), value);
            differs = differs || c.next() != value;
        }
        QVERIFY(differs);
    }
    void uniformFillsItsRange() {
        Random random(1);
        double sum = 0;
        for (int i = 0; i < 20000; ++i) {
            const double u = random.uniform();
            QVERIFY(u >= 0.0 && u < 1.0);
            sum += u;
        }
        QVERIFY(std::abs(sum / 20000 - 0.5) < 0.01);
    }
    void belowIsUnbiased() {
        Random random(2);
        int counts[3] = {};
        for (int i = 0; i < 30000; ++i) {
            ++counts[random.below(3)];
        }
        for (const int count : counts) {
            QVERIFY(std::abs(count - 10000) < 400); // five standard deviations
        }
        QCOMPARE(random.below(1), 0ULL);
    }
    void normalHasUnitVariance() {
        Random random(3);
        double sum = 0;
        double squares = 0;
        for (int i = 0; i < 40000; ++i) {
            const double x = random.normal();
            QVERIFY(std::isfinite(x));
            sum += x;
            squares += x * x;
        }
        QVERIFY(std::abs(sum / 40000) < 0.03);
        QVERIFY(std::abs(squares / 40000 - 1.0) < 0.05);
    }
};

LATHE_TEST(RandomTest);

} // namespace lathe

#include "random_test.moc"
