// SPDX-License-Identifier: Apache-2.0
#include "tests/engine/quant/matrices.h"

#include "kernels/core/half.h"

#include <algorithm>

namespace lathe::test {

Tensor matrix(std::int64_t out, std::int64_t in, const std::vector<float>& values, DType dtype) {
    Tensor w = Tensor::empty({out, in}, dtype, Device{});
    if (dtype == DType::F16) {
        std::ranges::transform(values, w.view().as<Half>().begin(), toHalf);
    } else if (dtype == DType::BF16) {
        std::ranges::transform(values, w.view().as<BFloat16>().begin(), toBFloat16);
    } else {
        std::ranges::copy(values, w.view().as<float>().begin());
    }
    return w;
}

std::vector<float> heavyTailed(std::int64_t count, double scale, std::uint64_t seed) {
    Random random(seed);
    std::vector<float> values(static_cast<std::size_t>(count));
    std::ranges::generate(values, [&] {
        const double stretch = random.below(50) == 0 ? 5.0 : 1.0;
        return static_cast<float>(scale * stretch * random.normal());
    });
    return values;
}

Tensor allOnes(const Shape& shape) {
    Tensor ones = Tensor::empty(shape, DType::F32, Device{});
    std::ranges::fill(std::span(ones.view().ptr<float>(), ones.bytes() / sizeof(float)), 1.0F);
    return ones;
}

Weight quantized(
    const std::string& id, const Tensor& w, QuantizeOptions options, int threads,
    ConstView sensitivity, std::span<const std::int64_t> sparse, ConstView hessian) {
    SilentSink sink;
    RunControl run(1, sink, {});
    ExecContext cpu(Device{}, {.target = Target::Scalar, .threads = threads});
    const Quantizer& quantizer = quantizers().at(id);
    Tensor ones, correlated;
    if (quantizer.info().usesSensitivity && sensitivity.data == nullptr) {
        ones = allOnes(w.shape());
        sensitivity = ones.view();
    }
    const bool isMatrix = w.shape().rank() == 2 && w.shape().elementCount() > 0;
    if (quantizer.info().usesHessian && hessian.data == nullptr && isMatrix) {
        correlated = inputHessian(1, w.shape()[1], 2 * w.shape()[1], 77);
        hessian = correlated.view();
    }
    return quantizer.quantize(
        run, cpu, w.view(),
        {.name = "layer.7.up", .sensitivity = sensitivity, .hessian = hessian, .sparse = sparse},
        options);
}

Tensor
inputHessian(std::int64_t groups, std::int64_t in, std::int64_t samples, std::uint64_t seed) {
    Tensor hessian = Tensor::empty({groups, in, in}, DType::F32, Device{});
    Random random(seed);
    const auto n = static_cast<std::size_t>(in);
    for (std::int64_t g = 0; g < groups; ++g) {
        std::vector<double> sums(n * n);
        for (std::int64_t sample = 0; sample < samples; ++sample) {
            std::vector<double> x(n);
            double last = 0.0;
            for (double& value : x) {
                value = 0.8 * last + 0.6 * random.normal();
                last = value;
            }
            for (std::size_t i = 0; i < n * n; ++i) {
                sums[i] += x[i / n] * x[i % n];
            }
        }
        std::ranges::transform(
            sums, hessian.slice(g, g + 1).view().as<float>().begin(),
            [](double sum) { return static_cast<float>(sum); });
    }
    return hessian;
}

std::vector<float> values(const Weight& weight) {
    ExecContext cpu(Device{}, {.target = Target::Scalar, .threads = 1});
    const Tensor wide = dequantize(cpu, weight);
    const auto all = wide.view().as<float>();
    return {all.begin(), all.end()};
}

double rowError(
    const std::vector<float>& w, const std::vector<float>& other, std::int64_t row,
    std::int64_t in) {
    double sum = 0.0;
    for (std::int64_t j = row * in; j < (row + 1) * in; ++j) {
        const auto i = static_cast<std::size_t>(j);
        const double difference = static_cast<double>(w[i]) - static_cast<double>(other[i]);
        sum += difference * difference;
    }
    return sum;
}

} // namespace lathe::test
