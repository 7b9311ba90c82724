// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "engine/base/random.h"
#include "engine/core/event_sink.h"
#include "engine/core/run_control.h"
#include "engine/quant/quantizer.h"

#include <string>
#include <vector>

/// What the tests of the quantizers share.
namespace lathe::test {

class SilentSink : public EventSink {
public:
    void post(Event) noexcept override {}
};

/// [out, in] on the host from row-major values, converted to `dtype`.
Tensor matrix(
    std::int64_t out, std::int64_t in, const std::vector<float>& values, DType dtype = DType::F32);
Tensor allOnes(const Shape& shape);
/// Normal numbers times `scale`, with some rare large ones.
std::vector<float> heavyTailed(std::int64_t count, double scale, std::uint64_t seed);

/// Runs a quantizer of the list on `threads` threads of the scalar target, with the module name
/// "layer.7.up". Where it needs sensitivities and none are given, all are 1; where it needs
/// Hessians, neighbouring columns go together.
Weight quantized(
    const std::string& id, const Tensor& w, QuantizeOptions options, int threads = 2,
    ConstView sensitivity = {}, std::span<const std::int64_t> sparse = {}, ConstView hessian = {});

/// [groups, in, in]: sums of x x^T over `samples` inputs whose neighbours correlate.
Tensor inputHessian(std::int64_t groups, std::int64_t in, std::int64_t samples, std::uint64_t seed);

/// The weight widened by the scalar kernels, row-major.
std::vector<float> values(const Weight& weight);

/// Sum over row `row` of (w - other)^2.
double rowError(
    const std::vector<float>& w, const std::vector<float>& other, std::int64_t row,
    std::int64_t in);

} // namespace lathe::test
