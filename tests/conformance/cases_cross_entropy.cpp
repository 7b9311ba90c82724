// SPDX-License-Identifier: Apache-2.0
#include "kernels/ops/cross_entropy/cross_entropy.h"
#include "tests/conformance/cases.h"

namespace lathe::conformance {

namespace {

/// Exponentials within 2 units in the last place, summed in single precision by blocks.
constexpr double kBound = 1e-6;
/// An exponential within 2 units in the last place of a difference whose logits have sizes of 80.
constexpr double kGradientBound = 8e-6;
/// KL is a small difference of logarithms of the size of ten.
constexpr double kDistanceBound = 2e-6;

void addRows(std::vector<Check>& checks, Shape shape, double scale, CaseOptions options = {}) {
    const std::string name =
        shape.text() + " scale " + std::to_string(scale) + (options.shifted ? " shifted" : "");
    addCase<CrossEntropy>(
        checks, "cross_entropy", name,
        [shape, scale](Arrays& arrays) {
            return CrossEntropy{
                .logits = arrays.floats("logits", shape, scale),
                .targets = arrays.integers(
                    "targets", {shape[0]}, 0, static_cast<std::int32_t>(shape[1] - 1)),
                .nll = arrays.output("nll", {shape[0]}, DType::F32, kBound)};
        },
        options);
    addCase<CrossEntropyGradient>(
        checks, "cross_entropy_gradient", name,
        [shape, scale](Arrays& arrays) {
            return CrossEntropyGradient{
                .logits = arrays.floats("logits", shape, scale),
                .targets = arrays.integers(
                    "targets", {shape[0]}, 0, static_cast<std::int32_t>(shape[1] - 1)),
                .scale = 0.25F,
                .dlogits = arrays.output("dlogits", shape, DType::F32, kGradientBound)};
        },
        options);
    addCase<DistributionDistance>(
        checks, "distribution_distance", name,
        [shape, scale](Arrays& arrays) {
            return DistributionDistance{
                .p = arrays.floats("p", shape, scale),
                .q = arrays.floats("q", shape, scale),
                .kl = arrays.output("kl", {shape[0]}, DType::F32, kDistanceBound),
                .sameArgmax = arrays.output("sameArgmax", {shape[0]}, DType::I32)};
        },
        options);
    addCase<ArgMax>(
        checks, "arg_max", name,
        [shape, scale](Arrays& arrays) {
            return ArgMax{
                .logits = arrays.floats("logits", shape, scale),
                .index = arrays.output("index", {shape[0]}, DType::I32)};
        },
        options);
}

std::vector<float> unusualRows(std::int64_t vocabulary) {
    const float inf = std::numeric_limits<float>::infinity();
    const float nan = std::numeric_limits<float>::quiet_NaN();
    std::vector<float> logits(static_cast<std::size_t>(6 * vocabulary), -1.0F);
    const auto row = [&](std::int64_t r) { return logits.begin() + r * vocabulary; };
    row(0)[3] = row(0)[vocabulary - 1] = 2.0F; // a tie: the lower index
    std::fill(row(1), row(2), -inf);           // nothing possible
    std::fill(row(2), row(3), -inf);
    row(2)[4] = 1.0F;                              // one entry possible
    row(3)[5] = nan;                               // passed over by the maximum
    row(4)[0] = 1e30F;                             // all weight on one entry
    std::fill(row(5), row(5) + vocabulary, 88.0F); // sums beyond the range of floats
    return logits;
}

} // namespace

void addCrossEntropyCases(std::vector<Check>& checks) {
    addRows(checks, {1, 1}, 1.0);
    addRows(checks, {3, 7}, 2.0);
    addRows(checks, {5, 33}, 5.0, {.shifted = true});
    addRows(checks, {64, 4099}, 3.0);
    addRows(checks, {2, 32000}, 20.0);
    addRows(checks, {0, 10}, 1.0, {.throughRun = true});
    addCase<CrossEntropy>(checks, "cross_entropy", "unusual rows", [](Arrays& arrays) {
        return CrossEntropy{
            .logits = arrays.given("logits", {6, 37}, unusualRows(37)),
            .targets = arrays.given<std::int32_t>("targets", {6}, {3, 0, 4, 1, 0, 36}),
            .nll = arrays.output("nll", {6}, DType::F32, kBound)};
    });
    addCase<CrossEntropyGradient>(checks, "cross_entropy_gradient", "in place", [](Arrays& arrays) {
        const TensorView logits = arrays.updated("logits", {3, 37}, kGradientBound, 30.0);
        return CrossEntropyGradient{
            .logits = logits,
            .targets = arrays.given<std::int32_t>("targets", {3}, {3, 0, 36}),
            .dlogits = logits};
    });
    addCase<ArgMax>(checks, "arg_max", "unusual rows", [](Arrays& arrays) {
        return ArgMax{
            .logits = arrays.given("logits", {6, 37}, unusualRows(37)),
            .index = arrays.output("index", {6}, DType::I32)};
    });
    addCase<ArgMax>(checks, "arg_max", "nothing but NaN", [](Arrays& arrays) {
        std::vector<float> rows(std::size_t{2} * 300, std::numeric_limits<float>::quiet_NaN());
        rows[300 + 299] = -std::numeric_limits<float>::infinity();
        return ArgMax{
            .logits = arrays.given("logits", {2, 300}, rows),
            .index = arrays.output("index", {2}, DType::I32)};
    });
    addCase<DistributionDistance>(
        checks, "distribution_distance", "close distributions", [](Arrays& arrays) {
            const std::vector<float> p = arrays.normals(std::int64_t{4} * 1000, 3.0);
            std::vector<float> q = arrays.normals(std::int64_t{4} * 1000, 0.1);
            for (std::size_t i = 0; i < q.size(); ++i) {
                q[i] += p[i];
            }
            // KL is about 0.005 here, its terms are 200 times as large.
            return DistributionDistance{
                .p = arrays.given("p", {4, 1000}, p),
                .q = arrays.given("q", {4, 1000}, q),
                .kl = arrays.output("kl", {4}, DType::F32, 200.0 * kDistanceBound),
                .sameArgmax = arrays.output("sameArgmax", {4}, DType::I32)};
        });
    addCase<DistributionDistance>(
        checks, "distribution_distance", "impossible entries", [](Arrays& arrays) {
            const float inf = std::numeric_limits<float>::infinity();
            return DistributionDistance{
                .p = arrays.given<float>("p", {2, 3}, {1.0F, -inf, 2.0F, 1.0F, 1.0F, 0.0F}),
                .q = arrays.given<float>("q", {2, 3}, {1.0F, -inf, 1.0F, -inf, 1.0F, 0.0F}),
                .kl = arrays.output("kl", {2}, DType::F32, kDistanceBound),
                .sameArgmax = arrays.output("sameArgmax", {2}, DType::I32)};
        });
}

} // namespace lathe::conformance
