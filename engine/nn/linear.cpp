// SPDX-License-Identifier: Apache-2.0
#include "engine/nn/linear.h"

#include "engine/core/check.h"
#include "kernels/ops/gemm/gemm.h"
#include "kernels/ops/group_gemv/group_gemv.h"
#include "kernels/ops/lut_gemv/lut_gemv.h"
#include "kernels/ops/plane_gemv/plane_gemv.h"

#include <algorithm>

namespace lathe {

namespace {

/// Rows that GroupGemv takes.
constexpr std::int64_t kGroupRows = 8;
/// Widened weights per tile: on a CPU they stay in the second-level cache, a GPU needs enough rows
/// to fill it.
constexpr std::int64_t kCpuTileBytes = std::int64_t{1} << 20;
constexpr std::int64_t kCudaTileBytes = std::int64_t{64} << 20;
/// In half precision one product is faster than several: most matrices are one tile.
constexpr std::int64_t kHalfTileBytes = std::int64_t{192} << 20;

std::int64_t mostPackedRows(const ExecContext& context, const LutWeight& weight) {
    return lutGemvMostRows(context, weight.bits, weight.in);
}
std::int64_t mostPackedRows(const ExecContext&, const GroupWeight&) { return kGroupRows; }

/// How a format is widened for the products of this context.
DType tileType(const ExecContext& context, const LutWeight&) {
    return context.products() == Products::Half ? DType::F16 : DType::F32;
}
DType tileType(const ExecContext&, const GroupWeight&) { return DType::F32; }

void gemv(
    ExecContext& context, const GroupWeight& weight, ConstView x, ConstView bias, TensorView y) {
    run(context, GroupGemv{
                     .x = x,
                     .packed = weight.packed.view(),
                     .scale = weight.scale.view(),
                     .zero = weight.zero.view(),
                     .bits = weight.bits,
                     .groupSize = weight.groupSize,
                     .bias = bias,
                     .y = y});
}

void gemv(
    ExecContext& context, const LutWeight& weight, ConstView x, ConstView bias, TensorView y) {
    if (weight.planes && x.shape[0] == 1) {
        run(context,
            PlaneGemv{
                .x = x,
                .planes = weight.planes->words.view(),
                .coefficients = weight.planes->coefficients.view(),
                .bias = bias,
                .sparse = weight.sparse ? weight.sparse->view() : SparseView{},
                .shares = weight.planes->shares ? weight.planes->shares->view() : ConstView{},
                .y = y});
        return;
    }
    run(context, LutGemv{
                     .x = x,
                     .packed = weight.packed.view(),
                     .table = weight.table.view(),
                     .bits = weight.bits,
                     .bias = bias,
                     .y = y});
    if (weight.sparse) {
        run(context, SpmvCsr{.x = x, .sparse = weight.sparse->view(), .y = y});
    }
}

void dequantizeRows(
    ExecContext& context, const GroupWeight& weight, std::int64_t rowFrom, TensorView w) {
    run(context, GroupDequantize{
                     .packed = weight.packed.view(),
                     .scale = weight.scale.view(),
                     .zero = weight.zero.view(),
                     .bits = weight.bits,
                     .groupSize = weight.groupSize,
                     .rowFrom = rowFrom,
                     .w = w});
}

void dequantizeRows(
    ExecContext& context, const LutWeight& weight, std::int64_t rowFrom, TensorView w) {
    run(context, LutDequantize{
                     .packed = weight.packed.view(),
                     .table = weight.table.view(),
                     .bits = weight.bits,
                     .rowFrom = rowFrom,
                     .w = w});
    if (weight.sparse) {
        run(context, AddSparse{.sparse = weight.sparse->view(), .rowFrom = rowFrom, .w = w});
    }
}

/// y = x * w^T (+ bias), a tile of output rows at a time: never the whole matrix widened.
template <class Packed>
void tiledProduct(
    ExecContext& context, const Packed& weight, ConstView x, ConstView bias, TensorView y) {
    const std::int64_t out = y.shape[1];
    const std::int64_t in = weight.in;
    const DType type = tileType(context, weight);
    const std::int64_t budget = !context.device().isCuda() ? kCpuTileBytes
                                : type == DType::F16       ? kHalfTileBytes
                                                           : kCudaTileBytes;
    const auto rowBytes = std::max<std::int64_t>(1, in * static_cast<std::int64_t>(sizeOf(type)));
    const std::int64_t most = std::clamp<std::int64_t>(budget / rowBytes, 1, out);
    // Tiles of equal size: a short one would not fill the GPU.
    const std::int64_t tiles = (out + most - 1) / most;
    const std::int64_t tileRows = (out + tiles - 1) / tiles;
    Arena::Scope scope(context.scratch());
    const TensorView tile = context.scratch().take({tileRows, in}, type);
    for (std::int64_t from = 0; from < out; from += tileRows) {
        const std::int64_t to = std::min(out, from + tileRows);
        const TensorView w = tile.slice(0, to - from); // [to - from, in]
        dequantizeRows(context, weight, from, w);
        TensorView part = y; // columns [from, to) of y
        part.data += static_cast<std::size_t>(from) * sizeof(float);
        part.shape = Shape{y.shape[0], to - from};
        run(context, Gemm{
                         .x = x,
                         .w = w,
                         .bias = bias.empty() ? bias : bias.slice(from, to),
                         .y = part,
                         .yStride = out});
    }
}

} // namespace

void Linear::apply(ExecContext& context, ConstView x, TensorView y) const {
    LATHE_CHECK(
        x.shape.rank() == 2 && y.shape.rank() == 2 && x.shape[0] == y.shape[0] &&
            x.shape[1] == inFeatures(weight) && y.shape[1] == outFeatures(weight),
        "linear: x is " + x.shape.text() + ", y is " + y.shape.text() + ", the weight is [" +
            std::to_string(outFeatures(weight)) + ", " + std::to_string(inFeatures(weight)) + "]");
    const ConstView biasView = bias ? bias->view() : ConstView{};
    if (x.shape[0] == 0) {
        return;
    }
    std::visit(
        [&](const auto& stored) {
            if constexpr (std::is_same_v<std::decay_t<decltype(stored)>, DenseWeight>) {
                run(context, Gemm{.x = x, .w = stored.w.view(), .bias = biasView, .y = y});
            } else if (x.shape[0] <= mostPackedRows(context, stored)) {
                gemv(context, stored, x, biasView, y);
            } else {
                tiledProduct(context, stored, x, biasView, y);
            }
        },
        weight);
}

Linear share(const Linear& linear) {
    Linear copy{.weight = share(linear.weight)};
    if (linear.bias) {
        copy.bias = linear.bias->share();
    }
    return copy;
}

std::optional<Linear> share(const std::optional<Linear>& linear) {
    return linear ? std::optional(share(*linear)) : std::nullopt;
}

} // namespace lathe
