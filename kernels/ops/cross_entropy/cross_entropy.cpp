// SPDX-License-Identifier: Apache-2.0
#include "kernels/ops/cross_entropy/cross_entropy.h"

#include "kernels/core/arguments.h"
#include "kernels/core/dispatch.h"
#include "kernels/ops/cross_entropy/cross_entropy_simd.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <string>

namespace lathe {

#ifdef LATHE_HAVE_CUDA
namespace cuda {
void launch(ExecContext& context, const CrossEntropy& op);
void launch(ExecContext& context, const CrossEntropyGradient& op);
void launch(ExecContext& context, const DistributionDistance& op);
void launch(ExecContext& context, const ArgMax& op);
} // namespace cuda
#endif

namespace {

/// Logits that are worth waking another thread for.
constexpr std::int64_t kGrain = 16384;

void checkTargets(const ConstView& logits, const ConstView& targetIds) {
    const std::int64_t vocabulary = logits.shape[1];
    const auto* targets = targetIds.ptr<std::int32_t>();
    for (std::int64_t row = 0; row < targetIds.elementCount(); ++row) {
        LATHE_CHECK(
            targets[row] >= 0 && targets[row] < vocabulary,
            "cross_entropy: targets[" + std::to_string(row) + "] is " +
                std::to_string(targets[row]) + ", logits are " + logits.shape.text());
    }
}

/// Lowest index of the largest number; NaN entries are passed over, 0 when there is nothing else.
std::int64_t argMaxScalar(const float* logits, std::int64_t count) {
    std::int64_t best = 0;
    for (std::int64_t v = 1; v < count; ++v) {
        const bool firstNumber = std::isnan(logits[best]) && !std::isnan(logits[v]);
        if (firstNumber || logits[v] > logits[best]) {
            best = v;
        }
    }
    return best;
}

/// log(sum(exp(logits))).
double logSumExp(const float* logits, std::int64_t count) {
    const double largest = logits[argMaxScalar(logits, count)];
    double sum = 0.0;
    for (std::int64_t v = 0; v < count; ++v) {
        sum += std::exp(static_cast<double>(logits[v]) - largest);
    }
    return largest + std::log(sum);
}

void crossEntropyScalar(ExecContext&, const CrossEntropy& op) {
    checkTargets(op.logits, op.targets);
    const std::int64_t vocabulary = op.logits.shape[1];
    for (std::int64_t row = 0; row < op.logits.shape[0]; ++row) {
        const float* logits = op.logits.ptr<float>() + row * vocabulary;
        const double target = logits[op.targets.ptr<std::int32_t>()[row]];
        op.nll.ptr<float>()[row] = static_cast<float>(logSumExp(logits, vocabulary) - target);
    }
}

void crossEntropyGradientScalar(ExecContext&, const CrossEntropyGradient& op) {
    checkTargets(op.logits, op.targets);
    const std::int64_t vocabulary = op.logits.shape[1];
    const double scale = op.scale;
    for (std::int64_t row = 0; row < op.logits.shape[0]; ++row) {
        const float* logits = op.logits.ptr<float>() + row * vocabulary;
        float* y = op.dlogits.ptr<float>() + row * vocabulary;
        const double logSum = logSumExp(logits, vocabulary);
        for (std::int64_t v = 0; v < vocabulary; ++v) {
            const double wanted = v == op.targets.ptr<std::int32_t>()[row] ? 1.0 : 0.0;
            const double probability = std::exp(static_cast<double>(logits[v]) - logSum);
            y[v] = static_cast<float>(scale * (probability - wanted));
        }
    }
}

void distanceScalar(ExecContext&, const DistributionDistance& op) {
    const std::int64_t vocabulary = op.p.shape[1];
    for (std::int64_t row = 0; row < op.p.shape[0]; ++row) {
        const float* p = op.p.ptr<float>() + row * vocabulary;
        const float* q = op.q.ptr<float>() + row * vocabulary;
        const double logSumP = logSumExp(p, vocabulary);
        const double logSumQ = logSumExp(q, vocabulary);
        double sum = 0.0;
        for (std::int64_t v = 0; v < vocabulary; ++v) {
            const double logP = static_cast<double>(p[v]) - logSumP;
            const double logQ = static_cast<double>(q[v]) - logSumQ;
            const double probability = std::exp(logP);
            sum += probability == 0.0 ? 0.0 : probability * (logP - logQ);
        }
        // Rounding may leave a tiny negative number where the distributions agree.
        op.kl.ptr<float>()[row] = static_cast<float>(sum < 0.0 ? 0.0 : sum);
        op.sameArgmax.ptr<std::int32_t>()[row] =
            argMaxScalar(p, vocabulary) == argMaxScalar(q, vocabulary) ? 1 : 0;
    }
}

void argMaxOfRowsScalar(ExecContext&, const ArgMax& op) {
    const std::int64_t vocabulary = op.logits.shape[1];
    for (std::int64_t row = 0; row < op.logits.shape[0]; ++row) {
        op.index.ptr<std::int32_t>()[row] = static_cast<std::int32_t>(
            argMaxScalar(op.logits.ptr<float>() + row * vocabulary, vocabulary));
    }
}

/// Calls body(row) for every row of [rows, vocabulary].
template <class Body>
void forRows(ExecContext& context, const Shape& shape, const Body& body) {
    const std::int64_t grain = std::max<std::int64_t>(1, kGrain / shape[1]);
    context.pool().parallelFor(shape[0], grain, [&](std::int64_t from, std::int64_t to) {
        for (std::int64_t row = from; row < to; ++row) {
            body(row);
        }
    });
}

template <auto LogSumExp>
void crossEntropySimd(ExecContext& context, const CrossEntropy& op) {
    checkTargets(op.logits, op.targets);
    const std::int64_t vocabulary = op.logits.shape[1];
    forRows(context, op.logits.shape, [&](std::int64_t row) {
        const float* logits = op.logits.ptr<float>() + row * vocabulary;
        const double target = logits[op.targets.ptr<std::int32_t>()[row]];
        op.nll.ptr<float>()[row] = static_cast<float>(LogSumExp(logits, vocabulary) - target);
    });
}

template <auto LogSumExp, auto ScaledExponentials>
void crossEntropyGradientSimd(ExecContext& context, const CrossEntropyGradient& op) {
    checkTargets(op.logits, op.targets);
    const std::int64_t vocabulary = op.logits.shape[1];
    forRows(context, op.logits.shape, [&](std::int64_t row) {
        const float* logits = op.logits.ptr<float>() + row * vocabulary;
        float* y = op.dlogits.ptr<float>() + row * vocabulary;
        const std::int32_t target = op.targets.ptr<std::int32_t>()[row];
        const double logSum = LogSumExp(logits, vocabulary);
        // In double, and before the logits are overwritten: near 1 the difference cancels.
        const double wanted = std::exp(static_cast<double>(logits[target]) - logSum) - 1.0;
        const auto shift = static_cast<float>(logSum);
        // What the shift lost by being rounded is put back by the scale.
        const double scale = op.scale * std::exp(static_cast<double>(shift) - logSum);
        ScaledExponentials(
            logits, y, vocabulary, {.shift = shift, .scale = static_cast<float>(scale)});
        y[target] = static_cast<float>(static_cast<double>(op.scale) * wanted);
    });
}

template <auto Divergence, auto ArgMaxOf>
void distanceSimd(ExecContext& context, const DistributionDistance& op) {
    const std::int64_t vocabulary = op.p.shape[1];
    forRows(context, op.p.shape, [&](std::int64_t row) {
        const float* p = op.p.ptr<float>() + row * vocabulary;
        const float* q = op.q.ptr<float>() + row * vocabulary;
        const double kl = Divergence(p, q, vocabulary);
        op.kl.ptr<float>()[row] = static_cast<float>(kl < 0.0 ? 0.0 : kl);
        op.sameArgmax.ptr<std::int32_t>()[row] =
            ArgMaxOf(p, vocabulary) == ArgMaxOf(q, vocabulary) ? 1 : 0;
    });
}

template <auto ArgMaxOf>
void argMaxSimd(ExecContext& context, const ArgMax& op) {
    const std::int64_t vocabulary = op.logits.shape[1];
    forRows(context, op.logits.shape, [&](std::int64_t row) {
        op.index.ptr<std::int32_t>()[row] = static_cast<std::int32_t>(
            ArgMaxOf(op.logits.ptr<float>() + row * vocabulary, vocabulary));
    });
}

/// [rows, vocabulary] with at least one entry per row.
void checkLogits(const Arguments& arguments, const char* name, const ConstView& logits) {
    arguments.rank(name, logits, 2);
    arguments.f32(name, logits, logits.shape);
    LATHE_CHECK(
        logits.shape[1] > 0 && logits.shape[1] <= std::numeric_limits<std::int32_t>::max(),
        std::string(name) + " are " + logits.shape.text() +
            "; a vocabulary of 1 to 2^31 - 1 is needed");
}

} // namespace

template <>
std::span<const Kernel<CrossEntropy>> kernelsOf<CrossEntropy>() {
    static constexpr Kernel<CrossEntropy> kTable[] = {
#ifdef LATHE_HAVE_CUDA
        {Target::Cuda, "cuda", cuda::launch},
#endif
        {Target::Avx512, "avx512", crossEntropySimd<avx512::logSumExp>},
        {Target::Avx2, "avx2", crossEntropySimd<avx2::logSumExp>},
        {Target::Scalar, "scalar", crossEntropyScalar},
    };
    return kTable;
}

template <>
std::span<const Kernel<CrossEntropyGradient>> kernelsOf<CrossEntropyGradient>() {
    static constexpr Kernel<CrossEntropyGradient> kTable[] = {
#ifdef LATHE_HAVE_CUDA
        {Target::Cuda, "cuda", cuda::launch},
#endif
        {Target::Avx512, "avx512",
         crossEntropyGradientSimd<avx512::logSumExp, avx512::scaledExponentials>},
        {Target::Avx2, "avx2", crossEntropyGradientSimd<avx2::logSumExp, avx2::scaledExponentials>},
        {Target::Scalar, "scalar", crossEntropyGradientScalar},
    };
    return kTable;
}

template <>
std::span<const Kernel<DistributionDistance>> kernelsOf<DistributionDistance>() {
    static constexpr Kernel<DistributionDistance> kTable[] = {
#ifdef LATHE_HAVE_CUDA
        {Target::Cuda, "cuda", cuda::launch},
#endif
        {Target::Avx512, "avx512", distanceSimd<avx512::divergence, avx512::argMax>},
        {Target::Avx2, "avx2", distanceSimd<avx2::divergence, avx2::argMax>},
        {Target::Scalar, "scalar", distanceScalar},
    };
    return kTable;
}

template <>
std::span<const Kernel<ArgMax>> kernelsOf<ArgMax>() {
    static constexpr Kernel<ArgMax> kTable[] = {
#ifdef LATHE_HAVE_CUDA
        {Target::Cuda, "cuda", cuda::launch},
#endif
        {Target::Avx512, "avx512", argMaxSimd<avx512::argMax>},
        {Target::Avx2, "avx2", argMaxSimd<avx2::argMax>},
        {Target::Scalar, "scalar", argMaxOfRowsScalar},
    };
    return kTable;
}

void run(ExecContext& context, const CrossEntropy& op) {
    const Arguments arguments("cross_entropy", context.device());
    checkLogits(arguments, "logits", op.logits);
    arguments.i32("targets", op.targets, {op.logits.shape[0]});
    arguments.f32("nll", op.nll, {op.logits.shape[0]});
    arguments.disjoint("nll", op.nll, "logits", op.logits);
    if (op.nll.elementCount() > 0) {
        dispatch(context, op, "cross_entropy");
    }
}

void run(ExecContext& context, const CrossEntropyGradient& op) {
    const Arguments arguments("cross_entropy_gradient", context.device());
    checkLogits(arguments, "logits", op.logits);
    arguments.i32("targets", op.targets, {op.logits.shape[0]});
    arguments.f32("dlogits", op.dlogits, op.logits.shape);
    arguments.sameOrDisjoint("dlogits", op.dlogits, "logits", op.logits);
    if (op.dlogits.elementCount() > 0) {
        dispatch(context, op, "cross_entropy_gradient");
    }
}

void run(ExecContext& context, const DistributionDistance& op) {
    const Arguments arguments("distribution_distance", context.device());
    checkLogits(arguments, "p", op.p);
    arguments.f32("q", op.q, op.p.shape);
    arguments.f32("kl", op.kl, {op.p.shape[0]});
    arguments.i32("sameArgmax", op.sameArgmax, {op.p.shape[0]});
    if (op.kl.elementCount() > 0) {
        dispatch(context, op, "distribution_distance");
    }
}

void run(ExecContext& context, const ArgMax& op) {
    const Arguments arguments("arg_max", context.device());
    checkLogits(arguments, "logits", op.logits);
    arguments.i32("index", op.index, {op.logits.shape[0]});
    if (op.index.elementCount() > 0) {
        dispatch(context, op, "arg_max");
    }
}

} // namespace lathe
