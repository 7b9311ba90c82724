// SPDX-License-Identifier: Apache-2.0
#include "kernels/ops/spmv_csr/spmv_csr.h"

#include "engine/core/error.h"
#include "kernels/core/half.h"
#include "tests/support/lathe_test.h"

#include <vector>

using namespace lathe;

namespace {

/// A sparse matrix on the host that may be damaged.
struct Host {
    std::vector<std::int32_t> pointers;
    std::vector<std::uint16_t> columns;
    std::vector<float> values;

    SparseView view() const {
        const auto count = static_cast<std::int64_t>(columns.size());
        return {
            .rowPointers =
                constViewOf<std::int32_t>(pointers, {static_cast<std::int64_t>(pointers.size())}),
            .columns = constViewOf<std::uint16_t>(columns, {count}),
            .values = constViewOf<float>(values, {count})};
    }
};

/// [[0, 2, 0, -1], [0, 0, 0, 0], [4, 0, 8, 0]]
Host example() { return {{0, 2, 2, 4}, {1, 3, 0, 2}, {2.0F, -1.0F, 4.0F, 8.0F}}; }

std::string messageOf(const Host& host) {
    try {
        checkSparse(host.view(), 4, "m");
    } catch (const FormatError& error) {
        return error.what();
    }
    return {};
}

} // namespace

class SpmvCsrTest : public QObject {
    Q_OBJECT
private slots:
    void addsTheProduct();
    void addsRowsOfTheMatrix();
    void refusesWrongShapes();
    void refusesDamagedPointers();
};

void SpmvCsrTest::addsTheProduct() {
    ExecContext context(Device{});
    const Host host = example();
    const std::vector<float> x{1, 10, 100, 1000, 0, 1, 0, 1};
    std::vector<float> y{1, 2, 3, 4, 5, 6};
    run(context, SpmvCsr{
                     .x = constViewOf<float>(x, {2, 4}),
                     .sparse = host.view(),
                     .y = viewOf(std::span(y), {2, 3})});
    QCOMPARE(y, (std::vector<float>{-979, 2, 807, 5, 5, 6}));
}

void SpmvCsrTest::addsRowsOfTheMatrix() {
    ExecContext context(Device{});
    const Host host = example();
    std::vector<float> w(8, 1.0F);
    run(context, AddSparse{.sparse = host.view(), .rowFrom = 1, .w = viewOf(std::span(w), {2, 4})});
    QCOMPARE(w, (std::vector<float>{1, 1, 1, 1, 5, 1, 9, 1}));
}

void SpmvCsrTest::refusesWrongShapes() {
    ExecContext context(Device{});
    const Host host = example();
    const std::vector<float> x(4);
    std::vector<float> y(2);
    LATHE_VERIFY_THROWS(
        run(context,
            SpmvCsr{
                .x = constViewOf<float>(x, {1, 4}),
                .sparse = host.view(),
                .y = viewOf(std::span(y), {1, 2})}),
        InputError, "spmv_csr: y is [1, 2]");
    std::vector<float> w(8);
    LATHE_VERIFY_THROWS(
        run(context,
            AddSparse{.sparse = host.view(), .rowFrom = 2, .w = viewOf(std::span(w), {2, 4})}),
        InputError, "2 rows from row 2 on, the matrix has 3");
}

void SpmvCsrTest::refusesDamagedPointers() {
    QCOMPARE(messageOf(example()), "");
    Host host = example();
    host.pointers = {0, 2, 1, 4};
    QVERIFY(QString::fromStdString(messageOf(host)).contains("row 1 "));
    host.pointers = {0, 2, 2, 5};
    QVERIFY(QString::fromStdString(messageOf(host)).contains("from 0 to its 4 values"));
    host.pointers = {0, 900, 900, 4}; // points beyond the columns before it comes back
    QVERIFY(QString::fromStdString(messageOf(host)).contains("row 0 "));
    host = example();
    host.columns[1] = 4;
    QVERIFY(QString::fromStdString(messageOf(host)).contains("column 4"));
    host.columns = {3, 3, 0, 2};
    QVERIFY(QString::fromStdString(messageOf(host)).contains("column 3 after column 3"));
}

LATHE_TEST(SpmvCsrTest);
#include "spmv_csr_test.moc"
