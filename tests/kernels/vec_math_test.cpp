// SPDX-License-Identifier: Apache-2.0
// The approximations of kernels/simd/vec_math.h at width one; the wider spellings run the same code
// and are compared with it by the conformance cases.
#include "kernels/simd/vec_math.h"
#include "kernels/simd/weights.h"

#include "kernels/core/half.h"
#include "tests/support/lathe_test.h"

#include <bit>
#include <cmath>
#include <limits>

using lathe::scalar::Vec;

namespace {

/// How many units in the last place of a float the value is away from the exact one.
double unitsOff(float value, double exact) {
    const auto nearest = static_cast<float>(exact);
    const float size = std::max(std::abs(nearest), std::numeric_limits<float>::min());
    const double unit =
        static_cast<double>(std::nextafter(size, std::numeric_limits<float>::max()) - size);
    return std::abs(static_cast<double>(value) - exact) / unit;
}

float exponentialOf(float x) { return lathe::scalar::exponential(Vec::set1(x)).v; }

} // namespace

class VecMathTest : public QObject {
    Q_OBJECT

private slots:
    void exponentialIsWithinTwoUnits() {
        double worst = 0.0;
        // Every 997th float between -87.3 and 88.7, both signs, down to the subnormal ones.
        const auto last = std::bit_cast<std::uint32_t>(88.7F);
        for (std::uint32_t bits = 0; bits < last; bits += 997) {
            const auto x = std::bit_cast<float>(bits);
            worst = std::max(worst, unitsOff(exponentialOf(x), std::exp(static_cast<double>(x))));
            if (x < 87.3F) {
                const double exact = std::exp(-static_cast<double>(x));
                worst = std::max(worst, unitsOff(exponentialOf(-x), exact));
            }
        }
        QVERIFY2(worst <= 2.0, qPrintable(QString::number(worst)));
    }

    void exponentialAtTheEnds() {
        const float inf = std::numeric_limits<float>::infinity();
        QCOMPARE(exponentialOf(0.0F), 1.0F);
        QCOMPARE(exponentialOf(-inf), 0.0F);
        QCOMPARE(exponentialOf(-200.0F), 0.0F);
        QCOMPARE(exponentialOf(inf), inf);
        QCOMPARE(exponentialOf(89.0F), inf);
        QVERIFY(std::isnan(exponentialOf(std::numeric_limits<float>::quiet_NaN())));
        QVERIFY(std::abs(exponentialOf(-95.0F) - std::exp(-95.0F)) < 1e-44F);
    }

    void sineAndCosine() {
        double worst = 0.0;
        for (int i = -200000; i <= 200000; ++i) {
            const float x = static_cast<float>(i) * (lathe::scalar::kLargestAngle / 200000.0F);
            for (const float angle : {x, x / 4096.0F}) {
                Vec sine{};
                Vec cosine{};
                lathe::scalar::sineCosine(Vec::set1(angle), sine, cosine);
                const auto exact = static_cast<double>(angle);
                worst = std::max(worst, std::abs(static_cast<double>(sine.v) - std::sin(exact)));
                worst = std::max(worst, std::abs(static_cast<double>(cosine.v) - std::cos(exact)));
            }
        }
        QVERIFY2(worst <= 2e-7, qPrintable(QString::number(worst)));
    }

    void halvesAreWidenedAsTheReferenceDoes() {
        for (std::uint32_t bits = 0; bits < 65536; ++bits) {
            const auto half = static_cast<std::uint16_t>(bits);
            const float wanted = lathe::toFloat(lathe::Half{half});
            const float got = Vec::loadHalf(&half).v;
            QCOMPARE(std::bit_cast<std::uint32_t>(got), std::bit_cast<std::uint32_t>(wanted));
        }
    }
};

LATHE_TEST(VecMathTest);
#include "vec_math_test.moc"
