// SPDX-License-Identifier: Apache-2.0
#include "engine/nn/weight.h"

#include "kernels/core/widen.h"
#include "kernels/ops/group_gemv/group_gemv.h"
#include "kernels/ops/lut_gemv/lut_gemv.h"
#include "kernels/ops/plane_gemv/plane_gemv.h"

#include <algorithm>
#include <array>
#include <cstdio>

namespace lathe {

namespace {

/// Calls of one overload per format: a new format does not compile until it has its own everywhere.
template <class... Cases>
struct Overloaded : Cases... {
    using Cases::operator()...;
};
template <class... Cases>
Overloaded(Cases...) -> Overloaded<Cases...>;

std::int64_t bytesOf(const Tensor& tensor) { return static_cast<std::int64_t>(tensor.bytes()); }

std::string percent(double share) {
    std::array<char, 32> text{};
    std::snprintf(text.data(), text.size(), "%.3g %%", 100.0 * share);
    return text.data();
}

/// Dense weights have no op that widens them: on a GPU they go by way of the host.
Tensor widenDense(ExecContext& context, const Tensor& w) {
    if (w.dtype() == DType::F32) {
        return w.clone(context);
    }
    if (w.device().isCuda()) {
        ExecContext host(Device{}, ExecOptions{.target = {}, .threads = 1});
        return widenDense(host, w.to(Device{}, context)).to(w.device(), context);
    }
    Tensor result = Tensor::empty(w.shape(), DType::F32, Device{});
    context.pool().parallelFor(
        w.shape().elementCount(), 64 * 1024, [&](std::int64_t first, std::int64_t last) {
            const auto count = static_cast<std::size_t>(last - first);
            widen(w.view(), first, {result.view().ptr<float>() + first, count});
        });
    return result;
}

/// Shares of the work on a matrix with these sparse rows, where equal ones will not do.
std::optional<Tensor>
sharesOf(ExecContext& context, const SparseRows& sparse, std::int64_t out, std::int64_t in) {
    const Tensor pointers = sparse.rowPointers.to(Device{}, context);
    const std::vector<std::int32_t> shares =
        planeShares(pointers.view().as<std::int32_t>(), in, planeBlocks(context, out));
    if (shares.empty()) {
        return {};
    }
    const Shape shape{static_cast<std::int64_t>(shares.size() / 2), 2};
    Tensor tensor = Tensor::empty(shape, DType::I32, context.device());
    copy(context, constViewOf<std::int32_t>(shares, shape), tensor.view());
    return tensor;
}

} // namespace

std::int64_t outFeatures(const Weight& weight) {
    return std::visit(
        Overloaded{
            [](const DenseWeight& dense) { return dense.w.shape()[0]; },
            [](const GroupWeight& group) { return group.packed.shape()[0]; },
            [](const LutWeight& lut) { return lut.packed.shape()[0]; },
        },
        weight);
}

std::int64_t inFeatures(const Weight& weight) {
    return std::visit(
        Overloaded{
            [](const DenseWeight& dense) { return dense.w.shape()[1]; },
            [](const GroupWeight& group) { return group.in; },
            [](const LutWeight& lut) { return lut.in; },
        },
        weight);
}

std::int64_t storedBytes(const Weight& weight) {
    return std::visit(
        Overloaded{
            [](const DenseWeight& dense) { return bytesOf(dense.w); },
            [](const GroupWeight& group) {
                return bytesOf(group.packed) + bytesOf(group.scale) + bytesOf(group.zero);
            },
            [](const LutWeight& lut) {
                const std::int64_t sparse = lut.sparse ? bytesOf(lut.sparse->rowPointers) +
                                                             bytesOf(lut.sparse->columns) +
                                                             bytesOf(lut.sparse->values)
                                                       : 0;
                return bytesOf(lut.packed) + bytesOf(lut.table) + sparse;
            },
        },
        weight);
}

double averageBits(const Weight& weight) {
    const double count =
        static_cast<double>(outFeatures(weight)) * static_cast<double>(inFeatures(weight));
    return count == 0.0 ? 0.0 : 8.0 * static_cast<double>(storedBytes(weight)) / count;
}

std::string describe(const Weight& weight) {
    return std::visit(
        Overloaded{
            [](const DenseWeight& dense) {
                return "dense " + std::string(nameOf(dense.w.dtype()));
            },
            [](const GroupWeight& group) {
                return "group " + std::to_string(group.bits) + " bit / " +
                       (group.groupSize == 0 ? "row" : std::to_string(group.groupSize));
            },
            [&](const LutWeight& lut) {
                return "lut " + std::to_string(lut.bits) + " bit" +
                       (lut.sparse ? " + " + percent(sparseShare(weight)) : "");
            },
        },
        weight);
}

double sparseShare(const Weight& weight) {
    const auto* lut = std::get_if<LutWeight>(&weight);
    if (lut == nullptr || !lut->sparse) {
        return 0.0;
    }
    const double count =
        static_cast<double>(outFeatures(weight)) * static_cast<double>(inFeatures(weight));
    return static_cast<double>(lut->sparse->values.shape()[0]) / count;
}

SparseView SparseRows::view() const {
    return {.rowPointers = rowPointers.view(), .columns = columns.view(), .values = values.view()};
}

Weight share(const Weight& weight) {
    return std::visit(
        Overloaded{
            [](const DenseWeight& dense) -> Weight { return DenseWeight{dense.w.share()}; },
            [](const GroupWeight& group) -> Weight {
                return GroupWeight{group.packed.share(), group.scale.share(), group.zero.share(),
                                   group.bits,           group.groupSize,     group.in};
            },
            [](const LutWeight& lut) -> Weight {
                LutWeight copy{lut.packed.share(), lut.table.share(), lut.bits, lut.in};
                if (lut.sparse) {
                    copy.sparse = SparseRows{
                        lut.sparse->rowPointers.share(), lut.sparse->columns.share(),
                        lut.sparse->values.share()};
                }
                if (lut.planes) {
                    copy.planes =
                        LutPlanes{lut.planes->words.share(), lut.planes->coefficients.share()};
                    if (lut.planes->shares) {
                        copy.planes->shares = lut.planes->shares->share();
                    }
                }
                return copy;
            },
        },
        weight);
}

void arrangePlanes(ExecContext& context, LutWeight& weight) {
    if (!prefersPlanes(context, weight.bits, weight.in)) {
        return;
    }
    const std::int64_t out = weight.packed.shape()[0];
    weight.planes = LutPlanes{
        Tensor::empty(planesShape(out, weight.in, weight.bits), DType::I32, context.device()),
        Tensor::empty(planeCoefficientsShape(out, weight.bits), DType::F32, context.device())};
    run(context, PlaneArrange{
                     .packed = weight.packed.view(),
                     .table = weight.table.view(),
                     .bits = weight.bits,
                     .in = weight.in,
                     .planes = weight.planes->words.view(),
                     .coefficients = weight.planes->coefficients.view()});
    if (weight.sparse) {
        weight.planes->shares = sharesOf(context, *weight.sparse, out, weight.in);
    }
    // PlaneGemv fetches weights before the kernel in front of it ends: they must stand by then.
    context.synchronize();
}

Weight toDevice(const Weight& weight, Device device, ExecContext& context) {
    return std::visit(
        Overloaded{
            [&](const DenseWeight& dense) -> Weight {
                return DenseWeight{dense.w.to(device, context)};
            },
            [&](const GroupWeight& group) -> Weight {
                return GroupWeight{
                    .packed = group.packed.to(device, context),
                    .scale = group.scale.to(device, context),
                    .zero = group.zero.to(device, context),
                    .bits = group.bits,
                    .groupSize = group.groupSize,
                    .in = group.in};
            },
            [&](const LutWeight& lut) -> Weight {
                LutWeight result{
                    .packed = lut.packed.to(device, context),
                    .table = lut.table.to(device, context),
                    .bits = lut.bits,
                    .in = lut.in};
                if (lut.sparse) {
                    result.sparse = SparseRows{
                        lut.sparse->rowPointers.to(device, context),
                        lut.sparse->columns.to(device, context),
                        lut.sparse->values.to(device, context)};
                }
                if (device == context.device()) {
                    arrangePlanes(context, result);
                }
                return result;
            },
        },
        weight);
}

Tensor dequantize(ExecContext& context, const Weight& weight) {
    const Shape shape{outFeatures(weight), inFeatures(weight)};
    return std::visit(
        Overloaded{
            [&](const DenseWeight& dense) { return widenDense(context, dense.w); },
            [&](const GroupWeight& group) {
                Tensor result = Tensor::empty(shape, DType::F32, group.packed.device());
                run(context, GroupDequantize{
                                 .packed = group.packed.view(),
                                 .scale = group.scale.view(),
                                 .zero = group.zero.view(),
                                 .bits = group.bits,
                                 .groupSize = group.groupSize,
                                 .w = result.view()});
                return result;
            },
            [&](const LutWeight& lut) {
                Tensor result = Tensor::empty(shape, DType::F32, lut.packed.device());
                run(context, LutDequantize{
                                 .packed = lut.packed.view(),
                                 .table = lut.table.view(),
                                 .bits = lut.bits,
                                 .w = result.view()});
                if (lut.sparse) {
                    run(context, AddSparse{.sparse = lut.sparse->view(), .w = result.view()});
                }
                return result;
            },
        },
        weight);
}

} // namespace lathe
