// SPDX-License-Identifier: Apache-2.0
#include "kernels/core/shape.h"

#include "engine/core/error.h"
#include "tests/support/lathe_test.h"

#include <limits>
#include <vector>

using namespace lathe;

class ShapeTest : public QObject {
    Q_OBJECT

private slots:
    void countsElements() {
        QCOMPARE(Shape{}.elementCount(), 1);
        QCOMPARE(Shape{}.rowElements(), 1);
        QCOMPARE(Shape({7}).elementCount(), 7);
        QCOMPARE(Shape({7}).rowElements(), 1);
        QCOMPARE(Shape({2, 3, 5}).elementCount(), 30);
        QCOMPARE(Shape({2, 3, 5}).rowElements(), 15);
        QCOMPARE(Shape({0, 3}).elementCount(), 0);
        QCOMPARE(Shape({0, 3}).rowElements(), 3);
    }

    void indexesFromBothEnds() {
        const Shape shape{2, 3, 5};
        QCOMPARE(shape[0], 2);
        QCOMPARE(shape[-1], 5);
        QCOMPARE(shape[-3], 2);
        LATHE_VERIFY_THROWS(shape[3], InternalError, "[2, 3, 5]");
        LATHE_VERIFY_THROWS(shape[-4], InternalError, "axis -4");
    }

    void refusesWhatIsNoShape() {
        const std::vector<std::int64_t> six(6, 1);
        LATHE_VERIFY_THROWS(Shape(std::span<const std::int64_t>(six)), FormatError, "6 axes");
        LATHE_VERIFY_THROWS(Shape({2, -1}), FormatError, "-1");
        const std::int64_t huge = std::numeric_limits<std::int64_t>::max();
        LATHE_VERIFY_THROWS(Shape({huge}), FormatError, "2^58");
        LATHE_VERIFY_THROWS(Shape({huge, huge}), FormatError, "2^58");
        // The rows of an empty tensor must not overflow either.
        LATHE_VERIFY_THROWS(Shape({0, huge, huge}), FormatError, "2^58");
    }

    void comparesAndPrints() {
        QVERIFY(Shape({2, 3}) == Shape({2, 3}));
        QVERIFY(!(Shape({2, 3}) == Shape({3, 2})));
        QVERIFY(!(Shape({2}) == Shape({2, 1})));
        QCOMPARE(Shape({512, 768}).text(), std::string("[512, 768]"));
        QCOMPARE(Shape{}.text(), std::string("[]"));
    }
};

LATHE_TEST(ShapeTest);
#include "shape_test.moc"
