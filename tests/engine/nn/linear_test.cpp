// SPDX-License-Identifier: Apache-2.0
// Every weight format on every CPU target against a product in double precision.
#include "engine/base/random.h"
#include "engine/core/error.h"
#include "engine/core/event_sink.h"
#include "engine/core/run_control.h"
#include "engine/nn/linear.h"
#include "engine/quant/quantizer.h"
#include "kernels/core/half.h"
#include "tests/support/lathe_test.h"

#include <algorithm>
#include <cmath>

using namespace lathe;

namespace {

class SilentSink : public EventSink {
public:
    void post(Event) noexcept override {}
};

std::vector<float> normals(std::int64_t count, std::uint64_t seed) {
    Random random(seed);
    std::vector<float> values(static_cast<std::size_t>(count));
    std::ranges::generate(values, [&] { return static_cast<float>(random.normal()); });
    return values;
}

Tensor tensorOf(Shape shape, const std::vector<float>& values) {
    Tensor tensor = Tensor::empty(shape, DType::F32, Device{});
    std::ranges::copy(values, tensor.view().as<float>().begin());
    return tensor;
}

Weight weightOf(const std::string& format, std::int64_t out, std::int64_t in) {
    const Tensor w = tensorOf({out, in}, normals(out * in, 51));
    if (format == "F32") {
        return DenseWeight{w.share()};
    }
    if (format == "F16") {
        Tensor half = Tensor::empty({out, in}, DType::F16, Device{});
        std::ranges::transform(w.view().as<float>(), half.view().as<Half>().begin(), toHalf);
        return DenseWeight{std::move(half)};
    }
    SilentSink sink;
    RunControl run(1, sink, {});
    ExecContext cpu(Device{}, {.target = Target::Scalar, .threads = 2});
    return quantizers().at(format).quantize(
        run, cpu, w.view(), {.name = "w"}, {.bits = 3, .groupSize = 32});
}

/// The largest error of y = x w^T + b, relative to the largest element.
double worstError(
    const Linear& linear, const std::vector<float>& x, std::span<const float> y,
    std::int64_t rows) {
    ExecContext cpu(Device{}, {.target = Target::Scalar, .threads = 1});
    const Tensor wide = dequantize(cpu, linear.weight);
    const auto w = wide.view().as<float>();
    const auto out = static_cast<std::size_t>(outFeatures(linear.weight));
    const auto in = static_cast<std::size_t>(inFeatures(linear.weight));
    double worst = 0.0, largest = 0.0;
    for (std::size_t row = 0; row < static_cast<std::size_t>(rows); ++row) {
        for (std::size_t o = 0; o < out; ++o) {
            double sum = linear.bias ? double{linear.bias->view().as<float>()[o]} : 0.0;
            for (std::size_t j = 0; j < in; ++j) {
                sum += double{x[row * in + j]} * double{w[o * in + j]};
            }
            largest = std::max(largest, std::abs(sum));
            worst = std::max(worst, std::abs(sum - double{y[row * out + o]}));
        }
    }
    return worst / largest;
}

} // namespace

class LinearTest : public QObject {
    Q_OBJECT

private slots:
    void multiplies_data() {
        QTest::addColumn<QString>("format");
        QTest::addColumn<int>("target");
        for (const char* format : {"F32", "F16", "kmeans", "rtn", "rtn-sym"}) {
            for (const Target target : availableTargets()) {
                if (target != Target::Cuda) {
                    QTest::addRow("%s %s", format, std::string(nameOf(target)).c_str())
                        << QString(format) << static_cast<int>(target);
                }
            }
        }
    }
    /// 600 rows of 1030 columns: more rows of x than the packed kernels take need three tiles.
    void multiplies() {
        QFETCH(const QString, format);
        QFETCH(const int, target);
        const std::int64_t out = 600, in = 1030;
        ExecContext context(Device{}, {.target = static_cast<Target>(target), .threads = 2});
        Linear linear;
        linear.weight = weightOf(format.toStdString(), out, in);
        for (const std::int64_t rows : {1, 3, 8, 9, 21}) {
            linear.bias.reset();
            if (rows % 2 == 1) {
                linear.bias = tensorOf({out}, normals(out, 52));
            }
            const std::vector<float> x = normals(rows * in, 53);
            const Tensor input = tensorOf({rows, in}, x);
            Tensor y = Tensor::empty({rows, out}, DType::F32, Device{});
            linear.apply(context, input.view(), y.view());
            QCOMPARE_LE(worstError(linear, x, y.view().as<float>(), rows), 4e-6);
        }
    }

    void noRows() {
        ExecContext context(Device{}, {.target = Target::Scalar, .threads = 1});
        for (const char* format : {"F32", "kmeans", "rtn"}) {
            Linear linear;
            linear.weight = weightOf(format, 4, 32);
            const Tensor x = Tensor::empty({0, 32}, DType::F32, Device{});
            Tensor y = Tensor::empty({0, 4}, DType::F32, Device{});
            linear.apply(context, x.view(), y.view());
        }
    }

    void refusesOtherShapes() {
        ExecContext context(Device{}, {.target = Target::Scalar, .threads = 1});
        Linear linear;
        linear.weight = weightOf("kmeans", 4, 32);
        const Tensor x = Tensor::empty({2, 31}, DType::F32, Device{});
        const Tensor good = Tensor::empty({2, 32}, DType::F32, Device{});
        Tensor y = Tensor::empty({2, 4}, DType::F32, Device{});
        Tensor narrow = Tensor::empty({2, 3}, DType::F32, Device{});
        Tensor less = Tensor::empty({1, 4}, DType::F32, Device{});
        LATHE_VERIFY_THROWS((linear.apply(context, x.view(), y.view()), 0), InputError, "[4, 32]");
        LATHE_VERIFY_THROWS(
            (linear.apply(context, good.view(), narrow.view()), 0), InputError, "y is [2, 3]");
        LATHE_VERIFY_THROWS(
            (linear.apply(context, good.view(), less.view()), 0), InputError, "y is [1, 4]");
    }
};

LATHE_TEST(LinearTest);
#include "linear_test.moc"
