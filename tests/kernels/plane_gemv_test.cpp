// SPDX-License-Identifier: Apache-2.0
// Bit planes say what codes and tables say.
#include "kernels/core/half.h"
#include "kernels/ops/lut_gemv/lut_gemv.h"
#include "kernels/ops/plane_gemv/plane_gemv.h"
#include "tests/support/lathe_test.h"

#include <algorithm>
#include <cmath>
#include <random>
#include <vector>

using namespace lathe;

class PlaneGemvTest : public QObject {
    Q_OBJECT

    ExecContext m_context{Device{}, {.target = Target::Scalar, .threads = 1}};

    struct Matrix {
        std::int64_t out, in;
        int bits;
        std::vector<std::int32_t> packed{};
        std::vector<Half> table{};
        std::vector<std::int32_t> planes{};
        std::vector<float> coefficients{};
    };

    Matrix arranged(std::int64_t out, std::int64_t in, int bits, std::uint32_t seed) {
        std::mt19937 random(seed);
        Matrix m{.out = out, .in = in, .bits = bits};
        m.packed.resize(static_cast<std::size_t>(out * packedWords(in, bits)));
        std::ranges::generate(m.packed, [&] { return static_cast<std::int32_t>(random()); });
        m.table.resize(static_cast<std::size_t>(out << bits));
        std::ranges::generate(
            m.table, [&] { return toHalf(static_cast<float>(random() % 2001) / 1000.0F - 1.0F); });
        arrange(m);
        return m;
    }

    void arrange(Matrix& m) {
        m.planes.assign(
            static_cast<std::size_t>(planesShape(m.out, m.in, m.bits).elementCount()), -1);
        m.coefficients.assign(
            static_cast<std::size_t>(planeCoefficientsShape(m.out, m.bits).elementCount()), -1.0F);
        run(m_context,
            PlaneArrange{
                .packed = constViewOf(
                    std::span<const std::int32_t>(m.packed), {m.out, packedWords(m.in, m.bits)}),
                .table =
                    constViewOf(std::span<const Half>(m.table), {m.out, std::int64_t{1} << m.bits}),
                .bits = m.bits,
                .in = m.in,
                .planes = viewOf(std::span(m.planes), planesShape(m.out, m.in, m.bits)),
                .coefficients =
                    viewOf(std::span(m.coefficients), planeCoefficientsShape(m.out, m.bits))});
    }

private slots:
    void sameProductAsTheTable_data();
    void sameProductAsTheTable();
    void coefficientsOfAKnownTable();
    void addsTheSparsePart();
    void sharesAreEven_data();
    void sharesAreEven();
    void evenRowsNeedNoShares();
    void refusals();
};

void PlaneGemvTest::sameProductAsTheTable_data() {
    QTest::addColumn<int>("bits");
    for (int bits = 1; bits <= 4; ++bits) {
        QTest::addRow("%d bit", bits) << bits;
    }
}

void PlaneGemvTest::sameProductAsTheTable() {
    QFETCH(int, bits);
    const Matrix m = arranged(19, 813, bits, 7);
    std::mt19937 random(11);
    std::vector<float> x(813);
    std::ranges::generate(x, [&] { return static_cast<float>(random() % 2001) / 1000.0F - 1.0F; });
    const ConstView xView = constViewOf(std::span<const float>(x), {1, 813});
    std::vector<float> wanted(19), got(19);
    run(m_context,
        LutGemv{
            .x = xView,
            .packed =
                constViewOf(std::span<const std::int32_t>(m.packed), {19, packedWords(813, bits)}),
            .table = constViewOf(std::span<const Half>(m.table), {19, std::int64_t{1} << bits}),
            .bits = bits,
            .y = viewOf(std::span(wanted), {1, 19})});
    run(m_context,
        PlaneGemv{
            .x = xView,
            .planes = constViewOf(
                std::span<const std::int32_t>(m.planes), planesShape(m.out, m.in, m.bits)),
            .coefficients = constViewOf(
                std::span<const float>(m.coefficients), planeCoefficientsShape(m.out, m.bits)),
            .y = viewOf(std::span(got), {1, 19})});
    for (std::size_t o = 0; o < wanted.size(); ++o) {
        QVERIFY2(
            std::abs(got[o] - wanted[o]) <= 1e-5F,
            qPrintable(QString("row %1: %2, not %3")
                           .arg(o)
                           .arg(static_cast<double>(got[o]))
                           .arg(static_cast<double>(wanted[o]))));
    }
}

/// T = 1, 2, 4, 10. Code 3 has one bit of each of the sets {0} and {1}, two of {0, 1}: T[3] = c_0 +
/// c_1 + c_2 = 10.
void PlaneGemvTest::coefficientsOfAKnownTable() {
    Matrix m{.out = 1, .in = 3, .bits = 2, .packed = {0b110100}, .table = {}};
    for (const float entry : {1.0F, 2.0F, 4.0F, 10.0F}) {
        m.table.push_back(toHalf(entry));
    }
    arrange(m);
    const std::vector<float> first(m.coefficients.begin(), m.coefficients.begin() + 4);
    QCOMPARE(first, (std::vector<float>{1.0F, 3.5F, 5.5F, -2.5F}));
    QVERIFY(std::all_of(
        m.coefficients.begin() + 4, m.coefficients.end(), [](float c) { return c == 0.0F; }));
    // Codes 0, 1, 3 in columns 0, 1, 2 of lane 0: bits 0 to 2 of its first word.
    QCOMPARE(m.planes[0], 0b110);
    QCOMPARE(m.planes[1], 0);
    QCOMPARE(m.planes[2], 0b100);
    QVERIFY(std::all_of(m.planes.begin() + 3, m.planes.end(), [](auto w) { return w == 0; }));
}

void PlaneGemvTest::addsTheSparsePart() {
    const Matrix m = arranged(3, 4, 2, 5);
    const std::vector<float> x{1.0F, 10.0F, 100.0F, 1000.0F};
    const std::vector<std::int32_t> pointers{0, 2, 2, 3};
    const std::vector<std::uint16_t> columns{0, 3, 2};
    const std::vector<float> values{2.0F, -1.0F, 4.0F};
    PlaneGemv op{
        .x = constViewOf<float>(x, {1, 4}),
        .planes = constViewOf<std::int32_t>(m.planes, planesShape(3, 4, 2)),
        .coefficients = constViewOf<float>(m.coefficients, planeCoefficientsShape(3, 2)),
        .y = {}};
    std::vector<float> plain(3), sum(3);
    op.y = viewOf(std::span(plain), {1, 3});
    run(m_context, op);
    op.y = viewOf(std::span(sum), {1, 3});
    op.sparse = {
        .rowPointers = constViewOf<std::int32_t>(pointers, {4}),
        .columns = constViewOf<std::uint16_t>(columns, {3}),
        .values = constViewOf<float>(values, {3})};
    run(m_context, op);
    QCOMPARE(sum[0] - plain[0], -998.0F);
    QCOMPARE(sum[1], plain[1]);
    QCOMPARE(sum[2] - plain[2], 400.0F);
    op.sparse.rowPointers = op.sparse.rowPointers.slice(0, 3);
    LATHE_VERIFY_THROWS(run(m_context, op), InputError, "sparse.rowPointers");
}

void PlaneGemvTest::sharesAreEven_data() {
    QTest::addColumn<int>("from");
    QTest::addColumn<int>("every");
    QTest::newRow("spread") << 7 << 100;
    QTest::newRow("neighbours") << 640 << 1;
    QTest::newRow("the last rows") << 1980 << 1;
}

/// 20 of 2000 rows have 1000 values each: 78 steps' worth, beside 250 tiles of 8 steps and an end.
void PlaneGemvTest::sharesAreEven() {
    QFETCH(const int, from);
    QFETCH(const int, every);
    const std::int64_t blocks = 12, steps = 8;
    std::vector<std::int32_t> pointers{0};
    for (int row = 0; row < 2000; ++row) {
        const bool full = row >= from && (row - from) % every == 0 && (row - from) / every < 20;
        pointers.push_back(pointers.back() + (full ? 1000 : 0));
    }
    const std::vector<std::int32_t> shares = planeShares(pointers, steps * 512, blocks);
    QCOMPARE(std::ssize(shares), (blocks * kPlaneWorkers + 1) * 2);
    QCOMPARE(shares.front(), 0);
    QCOMPARE(shares[shares.size() - 2], 250);
    QCOMPARE(shares.back(), 0);
    double longest = 0.0;
    for (std::size_t i = 0; i + 2 < shares.size(); i += 2) {
        const std::int64_t begin = shares[i] * steps + shares[i + 1];
        const std::int64_t end = shares[i + 2] * steps + shares[i + 3];
        QVERIFY(begin <= end);
        QVERIFY(shares[i + 1] >= 0 && shares[i + 1] < steps);
        QVERIFY(i / 2 % kPlaneWorkers != 0 || shares[i + 1] == 0); // a block has whole tiles
        double cost = 0.0;
        for (std::int64_t step = begin; step < end; ++step) {
            const auto row = static_cast<std::size_t>(step / steps * 8);
            cost += 1.0 + (pointers[row + 8] - pointers[row]) / 256.0 / static_cast<double>(steps);
            cost += step % steps == steps - 1 ? 1.0 : 0.0;
        }
        longest = std::max(longest, cost);
    }
    const double mean = (250.0 * 9.0 + 20000.0 / 256.0) / static_cast<double>(blocks * 8);
    QVERIFY2(longest < 1.35 * mean, qPrintable(QString("%1 of %2").arg(longest).arg(mean)));
}

void PlaneGemvTest::evenRowsNeedNoShares() {
    std::vector<std::int32_t> pointers(2001);
    for (std::size_t row = 0; row < pointers.size(); ++row) {
        pointers[row] = static_cast<std::int32_t>(18 * row);
    }
    QVERIFY(planeShares(pointers, 4096, 12).empty());
    QVERIFY(planeShares(std::vector<std::int32_t>{0}, 4096, 12).empty());
}

void PlaneGemvTest::refusals() {
    Matrix m = arranged(8, 512, 3, 1);
    std::vector<float> x(1024), y(16);
    const auto gemv = [&](Shape xShape, Shape yShape) {
        run(m_context,
            PlaneGemv{
                .x = constViewOf(std::span<const float>(x), xShape),
                .planes = constViewOf(
                    std::span<const std::int32_t>(m.planes), planesShape(m.out, m.in, m.bits)),
                .coefficients = constViewOf(
                    std::span<const float>(m.coefficients), planeCoefficientsShape(m.out, m.bits)),
                .y = viewOf(std::span(y), yShape)});
    };
    LATHE_VERIFY_THROWS(gemv({2, 512}, {1, 8}), InputError, "x is [2, 512]");
    LATHE_VERIFY_THROWS(gemv({1, 1024}, {1, 8}), InputError, "planes is");
    LATHE_VERIFY_THROWS(gemv({1, 512}, {1, 16}), InputError, "planes is");
    m.bits = 5;
    LATHE_VERIFY_THROWS(arrange(m), InputError, "5 bits");
}

LATHE_TEST(PlaneGemvTest);

#include "plane_gemv_test.moc"
