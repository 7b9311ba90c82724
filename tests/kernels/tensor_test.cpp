// SPDX-License-Identifier: Apache-2.0
#include "kernels/core/tensor.h"

#include "kernels/core/exec_context.h"
#include "tests/support/lathe_test.h"

#include <numeric>
#include <vector>

using namespace lathe;

namespace {

Tensor counting(Shape shape) {
    Tensor tensor = Tensor::empty(shape, DType::I32, Device{});
    const std::span<std::int32_t> elements = tensor.view().as<std::int32_t>();
    std::iota(elements.begin(), elements.end(), 0);
    return tensor;
}

} // namespace

class TensorTest : public QObject {
    Q_OBJECT

private slots:
    void namesOfElementTypes() {
        QCOMPARE(std::string(nameOf(DType::BF16)), std::string("BF16"));
        for (const DType dtype :
             {DType::F32, DType::F16, DType::BF16, DType::F64, DType::I64, DType::I32, DType::U16,
              DType::U8, DType::I8}) {
            QCOMPARE(dtypeFromName(nameOf(dtype)), dtype);
        }
        LATHE_VERIFY_THROWS(dtypeFromName("F8"), FormatError, "F8");
    }

    void memoryIsAligned() {
        const Tensor tensor = Tensor::empty({3, 5}, DType::F32, Device{});
        QCOMPARE(reinterpret_cast<std::uintptr_t>(tensor.view().data) % 64, std::uintptr_t{0});
        QCOMPARE(tensor.bytes(), std::size_t{60});
    }

    void slicesShareStorage() {
        Tensor tensor = counting({4, 3});
        Tensor part = tensor.slice(1, 3);
        QVERIFY(part.shape() == Shape({2, 3}));
        QCOMPARE(part.view().as<std::int32_t>()[0], 3);
        part.view().as<std::int32_t>()[0] = 99;
        QCOMPARE(tensor.view().as<std::int32_t>()[3], 99);
        const Tensor inner = part.slice(1, 2);
        QCOMPARE(inner.view().as<std::int32_t>()[0], 6);
        QCOMPARE(tensor.view().slice(2, 4).as<std::int32_t>()[0], 6);
    }

    void slicesKeepTheStorageAlive() {
        Tensor part;
        {
            const Tensor whole = counting({1000, 100});
            part = whole.slice(999, 1000);
        }
        QCOMPARE(part.view().as<std::int32_t>()[99], 99999);
    }

    void slicesAreChecked() {
        const Tensor tensor = counting({4, 3});
        QVERIFY(tensor.slice(2, 2).shape() == Shape({0, 3}));
        LATHE_VERIFY_THROWS(tensor.slice(-1, 2), InternalError, "[4, 3]");
        LATHE_VERIFY_THROWS(tensor.slice(2, 5), InternalError, "2 to 5");
        LATHE_VERIFY_THROWS(tensor.slice(3, 2), InternalError, "3 to 2");
        LATHE_VERIFY_THROWS(tensor.view().slice(0, 5), InternalError, "0 to 5");
        LATHE_VERIFY_THROWS(
            Tensor::empty({}, DType::F32, Device{}).slice(0, 0), InternalError, "[]");
    }

    void tensorsHaveToFitTheirStorage() {
        const auto storage = Storage::allocate(64, Device{});
        QCOMPARE(Tensor(storage, 32, {8}, DType::F32).bytes(), std::size_t{32});
        LATHE_VERIFY_THROWS(Tensor(storage, 36, {8}, DType::F32), InternalError, "64 bytes");
        LATHE_VERIFY_THROWS(Tensor(storage, 65, {0}, DType::U8), InternalError, "byte 65");
        LATHE_VERIFY_THROWS(Tensor(storage, 2, {4}, DType::F32), FormatError, "aligned");
        LATHE_VERIFY_THROWS(
            Tensor(storage, 0, {std::int64_t{1} << 58}, DType::F64), InternalError, "does not fit");
    }

    void absentMemoryIsADeviceError() {
        LATHE_VERIFY_THROWS(
            Tensor::empty({std::int64_t{1} << 55}, DType::F32, Device{}), DeviceError,
            std::to_string(std::int64_t{1} << 57));
    }

    void viewsCheckTheType() {
        Tensor tensor = counting({2, 2});
        LATHE_VERIFY_THROWS(tensor.view().as<float>(), InternalError, "another type");
        LATHE_VERIFY_THROWS(tensor.view().reshaped({3}), InternalError, "[2, 2]");
        QCOMPARE(tensor.view().reshaped({4}).as<std::int32_t>()[3], 3);
    }

    void copiesAreSpelled() {
        ExecContext context(Device{}, {.threads = 1});
        Tensor tensor = counting({3, 2});
        Tensor twin = tensor.clone(context);
        Tensor same = tensor.share();
        tensor.view().as<std::int32_t>()[0] = 42;
        QCOMPARE(twin.view().as<std::int32_t>()[0], 0);
        QCOMPARE(same.view().as<std::int32_t>()[0], 42);
        QVERIFY(Tensor().isNull());
        QVERIFY(Tensor().clone(context).isNull());
        Tensor other = Tensor::zeros({2, 3}, DType::I32, context);
        LATHE_VERIFY_THROWS(copy(context, tensor.view(), other.view()), InputError, "[2, 3]");
        for (const std::int32_t element : other.view().as<std::int32_t>()) {
            QCOMPARE(element, 0);
        }
    }

    void viewsOfForeignMemory() {
        std::vector<float> values{1.0F, 2.0F, 3.0F};
        const TensorView view = viewOf(std::span<float>(values), {3});
        view.as<float>()[1] = 5.0F;
        QCOMPARE(values[1], 5.0F);
        const ConstView constant = constViewOf(std::span<const float>(values), {1, 3});
        QCOMPARE(constant.as<float>()[2], 3.0F);
        QVERIFY(ConstView{}.empty());
    }
};

LATHE_TEST(TensorTest);
#include "tensor_test.moc"
