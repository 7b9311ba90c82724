// SPDX-License-Identifier: Apache-2.0
// Tables with a sparse part beside them.
#include "engine/nn/linear.h"
#include "kernels/core/half.h"
#include "tests/engine/quant/matrices.h"
#include "tests/support/lathe_test.h"

#include <algorithm>
#include <cmath>

using namespace lathe;

namespace {

using Positions = std::vector<std::int64_t>;

/// Oracle O5.
const std::vector<float> kW{-6, -5, 0, 1, 7, 8, 40, 2, 3, 3, -3, -4, 9, -30, 0, 5};
const std::vector<float> kF{2, 1, 3, 50, 1, 2, 4, 1, 1, 2, 1, 1, 60, 3, 5, 1};

Weight oracle(const Positions& sparse) {
    return test::quantized(
        "squeezellm-sparse", test::matrix(2, 8, kW), {.bits = 2}, 1, test::matrix(2, 8, kF).view(),
        sparse);
}

std::vector<float> halves(ConstView view) {
    std::vector<float> values;
    std::ranges::transform(
        view.as<Half>(), std::back_inserter(values), [](Half h) { return toFloat(h); });
    return values;
}

float half(double value) { return toFloat(toHalf(static_cast<float>(value))); }

} // namespace

class DenseSparseTest : public QObject {
    Q_OBJECT
private slots:
    void oracleWithTheReferencesMask();
    void genuineZerosAreClustered();
    void productIsDensePlusSparse();
    void takenWeightsComeBack();
    void otherMethodsKeepAllWeights();
    void valuesBeyondHalfAreFloats();
    void emptiedRowsAreZero();
    void wrongPositionsAreRefused();
};

/// With its zeros taken out as well, the oracle's clusters and sparse values appear to the digit
/// (-6, -5 and 7, 8 may be joined at the same cost: the oracle joins the latter, we the former).
void DenseSparseTest::oracleWithTheReferencesMask() {
    const Weight weight = oracle({2, 3, 6, 12, 13, 14});
    const auto& lut = std::get<LutWeight>(weight);
    QCOMPARE(
        halves(lut.table.view()), (std::vector<float>{half(-17.0 / 3), 2, 7, 8, -4, -3, 3, 5}));
    QVERIFY(lut.sparse.has_value());
    const auto pointers = lut.sparse->rowPointers.view().as<std::int32_t>();
    QCOMPARE(std::vector(pointers.begin(), pointers.end()), (std::vector<std::int32_t>{0, 3, 6}));
    const auto columns = lut.sparse->columns.view().as<std::uint16_t>();
    QCOMPARE(
        std::vector(columns.begin(), columns.end()),
        (std::vector<std::uint16_t>{2, 3, 6, 4, 5, 6}));
    // 3 and -3 are as near to zero: the code that is stored decides.
    QCOMPARE(halves(lut.sparse->values.view()), (std::vector<float>{-2, -1, 38, 12, -27, 3}));
    QCOMPARE(
        test::values(weight),
        (std::vector<float>{
            half(-17.0 / 3), half(-17.0 / 3), 0, 1, 7, 8, 40, 2, 3, 3, -3, -4, 9, -30, 0, 5}));
}

void DenseSparseTest::genuineZerosAreClustered() {
    const Weight weight = oracle({3, 6, 12, 13});
    const auto& lut = std::get<LutWeight>(weight);
    QCOMPARE(
        halves(lut.table.view()),
        (std::vector<float>{half(-17.0 / 3), 0, 2, half(23.0 / 3), -3.5F, 0, 3, 5}));
    QCOMPARE(halves(lut.sparse->values.view()), (std::vector<float>{1, 40, 9, -30}));
    const std::vector<float> wide = test::values(weight);
    QCOMPARE(wide[2], 0.0F);
    QCOMPARE(wide[14], 0.0F);
    QCOMPARE(describe(weight), "lut 2 bit + 25 %");
    QCOMPARE(sparseShare(weight), 0.25);
    // 2 rows of a word and 4 halves; 3 pointers, 4 columns, 4 values.
    QCOMPARE(storedBytes(weight), 2 * (4 + 8) + 3 * 4 + 4 * 2 + 4 * 2);
}

void DenseSparseTest::productIsDensePlusSparse() {
    Linear linear{.weight = oracle({2, 3, 6, 12, 13, 14})};
    ExecContext context(Device{}, {.target = Target::Scalar, .threads = 1});
    const std::vector<float> x{1, -1, 2, 3, -2, 1, 1, 4};
    for (const std::int64_t rows : {1, 3, 9}) { // the packed kernels, and tiles
        std::vector<float> many;
        for (std::int64_t row = 0; row < rows; ++row) {
            many.insert(many.end(), x.begin(), x.end());
        }
        std::vector<float> y(static_cast<std::size_t>(2 * rows));
        linear.apply(context, constViewOf<float>(many, {rows, 8}), viewOf(std::span(y), {rows, 2}));
        for (std::size_t i = 0; i < y.size(); i += 2) {
            // The zeros are zero here, not 2 and -3 as in the oracle.
            QCOMPARE_LE(std::fabs(y[i] - 45.0F), 1e-3F);
            QCOMPARE_LE(std::fabs(y[i + 1] - -46.0F), 1e-3F);
        }
    }
}

void DenseSparseTest::takenWeightsComeBack() {
    const std::int64_t out = 20, in = 333;
    const std::vector<float> w = test::heavyTailed(out * in, 0.02, 61);
    const Tensor f = test::matrix(out, in, std::vector<float>(w.size(), 1.0F));
    Positions sparse;
    for (std::int64_t i = 5; i < out * in; i += 37) {
        sparse.push_back(i);
    }
    for (int bits = 1; bits <= 8; ++bits) {
        const std::vector<float> wide = test::values(test::quantized(
            "squeezellm-sparse", test::matrix(out, in, w), {.bits = bits}, 2, f.view(), sparse));
        for (const std::int64_t i : sparse) {
            const auto at = static_cast<std::size_t>(i);
            QCOMPARE_LE(std::fabs(wide[at] - w[at]), 0.001F * std::fabs(w[at]) + 2e-5F);
        }
    }
}

void DenseSparseTest::otherMethodsKeepAllWeights() {
    const Tensor w = test::matrix(2, 8, kW), f = test::matrix(2, 8, kF);
    const Positions sparse{6};
    for (const char* id : {"kmeans", "squeezellm", "rtn"}) {
        const Weight weight = test::quantized(id, w, {.bits = 2}, 1, f.view(), sparse);
        QCOMPARE(sparseShare(weight), 0.0);
        QCOMPARE(
            test::values(weight), test::values(test::quantized(id, w, {.bits = 2}, 1, f.view())));
    }
    QVERIFY(
        test::values(test::quantized("kmeans", w, {.bits = 2}, 1, f.view())) ==
        test::values(test::quantized("kmeans", w, {.bits = 2})));
}

void DenseSparseTest::valuesBeyondHalfAreFloats() {
    std::vector<float> w(16, 1.0F);
    w[5] = 70000.0F;
    const Tensor f = test::matrix(2, 8, kF);
    const Weight weight = test::quantized(
        "squeezellm-sparse", test::matrix(2, 8, w), {.bits = 2}, 1, f.view(), Positions{5});
    QCOMPARE(std::get<LutWeight>(weight).sparse->values.dtype(), DType::F32);
    QCOMPARE(test::values(weight), w);
}

void DenseSparseTest::emptiedRowsAreZero() {
    const Weight weight = oracle({0, 1, 2, 3, 4, 5, 6, 7});
    const std::vector<float> wide = test::values(weight);
    QVERIFY(std::equal(wide.begin(), wide.begin() + 8, kW.begin()));
    QCOMPARE(halves(std::get<LutWeight>(weight).table.view())[0], 0.0F);
}

void DenseSparseTest::wrongPositionsAreRefused() {
    LATHE_VERIFY_THROWS(oracle({3, 3}), InputError, "ascending");
    LATHE_VERIFY_THROWS(oracle({16}), InputError, "ascending");
    LATHE_VERIFY_THROWS(oracle({-1, 3}), InputError, "ascending");
    test::SilentSink sink;
    RunControl run(1, sink, {});
    ExecContext cpu(Device{}, {.target = Target::Scalar, .threads = 1});
    const Tensor w = test::matrix(2, 8, kW);
    LATHE_VERIFY_THROWS(
        quantizers().at("squeezellm").quantize(run, cpu, w.view(), {.name = "m"}, {.bits = 2}),
        InputError, "sensitivities, of which there are none");
}

LATHE_TEST(DenseSparseTest);
#include "dense_sparse_test.moc"
