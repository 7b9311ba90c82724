// SPDX-License-Identifier: Apache-2.0
#include "kernels/core/half.h"

#include "tests/support/lathe_test.h"

#include <bit>
#include <cmath>
#include <cstdint>
#include <random>

using namespace lathe;

namespace {

Half half(std::uint32_t bits) { return Half{static_cast<std::uint16_t>(bits)}; }
BFloat16 bfloat(std::uint32_t bits) { return BFloat16{static_cast<std::uint16_t>(bits)}; }

/// The value of a half from its definition.
double halfValue(std::uint32_t bits) {
    const double sign = (bits & 0x8000U) != 0U ? -1.0 : 1.0;
    const int exponent = static_cast<int>((bits >> 10) & 31U);
    const double fraction = static_cast<double>(bits & 1023U);
    return exponent == 0 ? sign * std::ldexp(fraction, -24)
                         : sign * std::ldexp(1024.0 + fraction, exponent - 25);
}

bool isHalfNan(std::uint32_t bits) { return (bits & 0x7FFFU) > 0x7C00U; }

} // namespace

class HalfTest : public QObject {
    Q_OBJECT

private slots:
    void everyHalfIsRead() {
        for (std::uint32_t bits = 0; bits < 65536; ++bits) {
            const float value = toFloat(half(bits));
            if (isHalfNan(bits)) {
                QVERIFY(std::isnan(value));
            } else if ((bits & 0x7FFFU) == 0x7C00U) {
                QVERIFY(std::isinf(value) && std::signbit(value) == (bits >= 0x8000U));
            } else {
                QCOMPARE(static_cast<double>(value), halfValue(bits));
                QCOMPARE(std::signbit(value), bits >= 0x8000U);
            }
        }
    }

    void everyHalfSurvivesTheRoundTrip() {
        for (std::uint32_t bits = 0; bits < 65536; ++bits) {
            const std::uint32_t back = toHalf(toFloat(half(bits))).bits;
            // A signalling NaN comes back quiet.
            QCOMPARE(back, isHalfNan(bits) ? bits | 0x200U : bits);
        }
    }

    void everyBFloat16SurvivesTheRoundTrip() {
        for (std::uint32_t bits = 0; bits < 65536; ++bits) {
            const float value = toFloat(bfloat(bits));
            QCOMPARE(std::bit_cast<std::uint32_t>(value), bits << 16);
            QCOMPARE(toBFloat16(value).bits, std::isnan(value) ? bits | 0x40U : bits);
        }
    }

    void halvesRoundToNearestEven() {
        // Between each pair of neighbours: a little below the middle, the middle, a little above.
        for (std::uint32_t bits = 0; bits < 0x7BFFU; ++bits) {
            const double middle = (halfValue(bits) + halfValue(bits + 1)) / 2.0;
            const auto exact = static_cast<float>(middle);
            QCOMPARE(static_cast<double>(exact), middle);
            QCOMPARE(toHalf(exact).bits, (bits & 1U) == 0U ? bits : bits + 1);
            QCOMPARE(toHalf(std::nextafter(exact, 0.0F)).bits, bits);
            QCOMPARE(toHalf(std::nextafter(exact, 1e9F)).bits, bits + 1);
            QCOMPARE(toHalf(-exact).bits, 0x8000U | toHalf(exact).bits);
        }
    }

    void halvesOverflowAndUnderflow() {
        QCOMPARE(toHalf(65519.996F).bits, 0x7BFF);
        QCOMPARE(toHalf(65520.0F).bits, 0x7C00);
        QCOMPARE(toHalf(1e30F).bits, 0x7C00);
        QCOMPARE(toHalf(-INFINITY).bits, 0xFC00);
        QCOMPARE(toHalf(0x1p-25F).bits, 0);
        QCOMPARE(toHalf(std::nextafter(0x1p-25F, 1.0F)).bits, 1);
        QCOMPARE(toHalf(-1e-30F).bits, 0x8000);
        QVERIFY(isHalfNan(toHalf(std::nanf("")).bits));
    }

    void bfloat16RoundsToNearestEven() {
        std::mt19937 random(7);
        for (int i = 0; i < 200000; ++i) {
            const auto bits = static_cast<std::uint32_t>(random());
            const auto value = std::bit_cast<float>(bits);
            if (std::isnan(value)) {
                continue;
            }
            const std::uint32_t below = bits >> 16;
            const std::uint32_t rest = bits & 0xFFFFU;
            const bool up = rest > 0x8000U || (rest == 0x8000U && (below & 1U) != 0U);
            QCOMPARE(toBFloat16(value).bits, below + (up ? 1U : 0U));
        }
    }
};

LATHE_TEST(HalfTest);
#include "half_test.moc"
