// SPDX-License-Identifier: Apache-2.0
// Fused matrices give the results of their members, whose memory they are.
#include "engine/base/random.h"
#include "engine/nn/fused_rows.h"
#include "engine/quant/packing.h"
#include "kernels/core/half.h"
#include "kernels/ops/lut_gemv/lut_gemv.h"
#include "tests/support/lathe_test.h"

#include <algorithm>
#include <vector>

namespace lathe {

class FusedRowsTest : public QObject {
    Q_OBJECT
private slots:
    void resultsAreThoseOfTheMembers_data();
    void resultsAreThoseOfTheMembers();
    void membersAreRangesOfTheFused();
    void otherFormatsStayApart();
    void replacedWeightsAreNoticed();

private:
    static constexpr std::int64_t kIn = 70;

    Tensor floats(Shape shape, DType dtype) {
        Tensor tensor = Tensor::empty(shape, dtype, Device{});
        for (std::int64_t i = 0; i < shape.elementCount(); ++i) {
            const auto value = static_cast<float>(m_random.normal());
            const auto at = static_cast<std::size_t>(i);
            if (dtype == DType::F32) {
                tensor.view().as<float>()[at] = value;
            } else {
                tensor.view().as<Half>()[at] = toHalf(value);
            }
        }
        return tensor;
    }
    Tensor words(Shape shape) {
        Tensor tensor = Tensor::empty(shape, DType::I32, Device{});
        for (std::int32_t& word : tensor.view().as<std::int32_t>()) {
            word = static_cast<std::int32_t>(static_cast<std::uint32_t>(m_random.next()));
        }
        return tensor;
    }
    Weight lut(std::int64_t out, int bits, bool sparse = false) {
        LutWeight weight{
            words({out, packedWords(kIn, bits)}),
            floats({out, std::int64_t{1} << bits}, DType::F16), bits, kIn};
        if (sparse) { // two values in each row
            SparseRows rows{
                Tensor::empty({out + 1}, DType::I32, Device{}),
                Tensor::empty({2 * out}, DType::U16, Device{}), floats({2 * out}, DType::F16)};
            for (std::int64_t row = 0; row <= out; ++row) {
                rows.rowPointers.view().as<std::int32_t>()[static_cast<std::size_t>(row)] =
                    static_cast<std::int32_t>(2 * row);
            }
            for (std::size_t i = 0; i < static_cast<std::size_t>(2 * out); ++i) {
                rows.columns.view().as<std::uint16_t>()[i] =
                    static_cast<std::uint16_t>(i % 2 == 0 ? i % 30 : 35 + i % 30);
            }
            weight.sparse = std::move(rows);
        }
        return weight;
    }
    Weight group(std::int64_t out) {
        Tensor zero = Tensor::empty({out, 3}, DType::U8, Device{});
        for (std::uint8_t& value : zero.view().as<std::uint8_t>()) {
            value = static_cast<std::uint8_t>(m_random.below(8));
        }
        return GroupWeight{words({out, packedWords(kIn, 3)}),
                           floats({out, 3}, DType::F16),
                           std::move(zero),
                           3,
                           32,
                           kIn};
    }
    /// Three members with 16, 8 and 5 rows.
    std::vector<Linear> members(const QString& kind) {
        std::vector<Linear> all;
        for (const std::int64_t out : {16, 8, 5}) {
            Linear& linear = all.emplace_back();
            if (kind.startsWith("F")) {
                linear.weight = DenseWeight{
                    floats({out, kIn}, kind.startsWith("F32") ? DType::F32 : DType::F16)};
            } else if (kind.startsWith("group")) {
                linear.weight = group(out);
            } else {
                linear.weight = lut(out, 4, kind == "sparse" || (kind == "one sparse" && out == 8));
            }
            if (kind.endsWith("bias")) {
                linear.bias = floats({out}, DType::F32);
            }
        }
        return all;
    }
    static std::vector<Linear*> pointersTo(std::vector<Linear>& all) {
        std::vector<Linear*> pointers;
        std::ranges::transform(
            all, std::back_inserter(pointers), [](Linear& linear) { return &linear; });
        return pointers;
    }
    std::vector<float> product(const Linear& linear, const Tensor& x) {
        Tensor y = Tensor::empty({x.shape()[0], outFeatures(linear.weight)}, DType::F32, Device{});
        linear.apply(m_context, x.view(), y.view());
        const auto values = y.view().as<float>();
        return {values.begin(), values.end()};
    }

    Random m_random{11};
    ExecContext m_context{Device{}, {.target = Target::Scalar, .threads = 1}};
};

void FusedRowsTest::resultsAreThoseOfTheMembers_data() {
    QTest::addColumn<QString>("kind");
    for (const char* kind :
         {"F32", "F16", "F16 bias", "tables", "tables bias", "sparse", "one sparse", "group"}) {
        QTest::newRow(kind) << QString(kind);
    }
}

void FusedRowsTest::resultsAreThoseOfTheMembers() {
    QFETCH(QString, kind);
    std::vector<Linear> all = members(kind);
    const Tensor x = floats({1, kIn}, DType::F32);
    std::vector<float> before;
    for (const Linear& member : all) {
        const std::vector<float> y = product(member, x);
        before.insert(before.end(), y.begin(), y.end());
    }
    const std::vector<Linear*> pointers = pointersTo(all);
    const std::optional<Linear> fused = fuseRows(m_context, pointers);
    QVERIFY(fused.has_value());
    QVERIFY(product(*fused, x) == before);
    std::vector<float> after;
    for (const Linear& member : all) {
        const std::vector<float> y = product(member, x);
        after.insert(after.end(), y.begin(), y.end());
    }
    QVERIFY(after == before);
    QVERIFY(product(*fused, floats({10, kIn}, DType::F32)).size() == 290); // by tiles
}

void FusedRowsTest::membersAreRangesOfTheFused() {
    std::vector<Linear> all = members("sparse");
    const std::vector<Linear*> pointers = pointersTo(all);
    const std::optional<Linear> fused = fuseRows(m_context, pointers);
    const auto& whole = std::get<LutWeight>(fused->weight);
    const auto& second = std::get<LutWeight>(all[1].weight);
    QCOMPARE(second.packed.view().data, whole.packed.view().slice(16, 24).data);
    QCOMPARE(second.table.view().data, whole.table.view().slice(16, 24).data);
    QCOMPARE(second.sparse->values.view().data, whole.sparse->values.view().slice(32, 48).data);
    QCOMPARE(second.sparse->columns.view().data, whole.sparse->columns.view().slice(32, 48).data);
    QCOMPARE(whole.sparse->rowPointers.view().as<std::int32_t>().back(), 58);
    QCOMPARE(second.packed.shape()[0], 8);
}

void FusedRowsTest::otherFormatsStayApart() {
    std::vector<Linear> all(2);
    const auto isRefused = [&](Weight first, Weight second) {
        all[0].weight = std::move(first);
        all[1].weight = std::move(second);
        const std::vector<Linear*> pointers = pointersTo(all);
        return !fuseRows(m_context, pointers).has_value();
    };
    QVERIFY(isRefused(lut(8, 4), lut(8, 3)));
    QVERIFY(isRefused(lut(8, 3), group(8)));
    QVERIFY(isRefused(
        DenseWeight{floats({2, kIn}, DType::F32)}, DenseWeight{floats({2, kIn}, DType::F16)}));
    QVERIFY(isRefused(
        DenseWeight{floats({2, kIn}, DType::F32)}, DenseWeight{floats({2, 8}, DType::F32)}));
    QVERIFY(!isRefused(lut(8, 3), lut(9, 3)));
    all[1].bias = floats({9}, DType::F32);
    QVERIFY(isRefused(lut(8, 3), lut(9, 3)));
}

void FusedRowsTest::replacedWeightsAreNoticed() {
    for (const std::size_t changed : {std::size_t{0}, std::size_t{2}}) {
        std::vector<Linear> all = members("tables");
        const std::vector<Linear*> pointers = pointersTo(all);
        const std::optional<Linear> fused = fuseRows(m_context, pointers);
        const std::vector<const Linear*> held(pointers.begin(), pointers.end());
        QVERIFY(holdsRows(*fused, held));
        QVERIFY(!holdsRows(*fused, std::span(held).first(2)));
        std::vector<std::uintptr_t> before, after;
        appendIdentity(*held[changed], before);
        all[changed].weight = lut(outFeatures(all[changed].weight), 4);
        appendIdentity(*held[changed], after);
        QVERIFY(!holdsRows(*fused, held));
        QVERIFY(before != after);
    }
}

LATHE_TEST(FusedRowsTest);

} // namespace lathe

#include "fused_rows_test.moc"
