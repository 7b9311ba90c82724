// SPDX-License-Identifier: Apache-2.0
#include "kernels/ops/group_gemv/group_gemv.h"

#include "engine/core/check.h"
#include "kernels/core/arguments.h"
#include "kernels/core/dispatch.h"
#include "kernels/core/half.h"
#include "kernels/ops/group_gemv/group_gemv_simd.h"
#include "kernels/ops/lut_gemv/lut_gemv.h"
#include "kernels/ops/lut_gemv/packed_code.h"

#include <algorithm>

namespace lathe {

#ifdef LATHE_HAVE_CUDA
namespace cuda {
void launch(ExecContext& context, const GroupGemv& op);
void launch(ExecContext& context, const GroupDequantize& op);
} // namespace cuda
#endif

namespace {

/// Weights that one job of the pool decodes at least: some ten microseconds of work.
constexpr std::int64_t kGrainWeights = 64 * 1024;

std::int64_t grainRows(std::int64_t in) {
    return std::max<std::int64_t>(1, kGrainWeights / std::max<std::int64_t>(in, 1));
}

/// Codes of one group: never 0, so that rows can be divided by it.
std::int64_t effectiveGroup(std::int64_t groupSize, std::int64_t in) {
    return groupSize == 0 || groupSize > in ? std::max<std::int64_t>(in, 1) : groupSize;
}

std::int64_t groupCount(std::int64_t groupSize, std::int64_t in) {
    const std::int64_t size = effectiveGroup(groupSize, in);
    return std::max<std::int64_t>(1, (in + size - 1) / size);
}

/// w = scale * (code - zero) of one row, one code at a time.
template <class Op, class Use>
void forEachWeight(const Op& op, std::int64_t row, std::int64_t in, const Use& use) {
    const std::int64_t size = effectiveGroup(op.groupSize, in);
    const std::int64_t groups = op.scale.shape[1];
    const auto* packed = op.packed.template ptr<std::int32_t>() + row * op.packed.shape[1];
    for (std::int64_t j = 0; j < in; ++j) {
        const std::int64_t group = row * groups + j / size;
        const int code = static_cast<int>(codeAt(packed, j, op.bits));
        const int zero = op.zero.template ptr<std::uint8_t>()[group];
        use(j, toFloat(op.scale.template ptr<Half>()[group]) * static_cast<float>(code - zero));
    }
}

void scalarGemv(ExecContext& context, const GroupGemv& op) {
    const std::int64_t rows = op.x.shape[0], in = op.x.shape[1], out = op.y.shape[1];
    const auto* bias = op.bias.ptr<float>();
    const auto* x = op.x.ptr<float>();
    context.pool().parallelFor(out, grainRows(in), [&](std::int64_t from, std::int64_t to) {
        for (std::int64_t o = from; o < to; ++o) {
            double sums[8] = {};
            forEachWeight(op, o, in, [&](std::int64_t j, double w) {
                for (std::int64_t row = 0; row < rows; ++row) {
                    sums[row] += w * x[row * in + j];
                }
            });
            for (std::int64_t row = 0; row < rows; ++row) {
                const double start = bias != nullptr ? bias[o] : 0.0;
                op.y.ptr<float>()[row * out + o] = static_cast<float>(sums[row] + start);
            }
        }
    });
}

void scalarDequantize(ExecContext& context, const GroupDequantize& op) {
    const std::int64_t in = op.w.shape[1];
    context.pool().parallelFor(
        op.w.shape[0], grainRows(in), [&](std::int64_t from, std::int64_t to) {
            for (std::int64_t i = from; i < to; ++i) {
                float* w = op.w.ptr<float>() + i * in;
                forEachWeight(
                    op, op.rowFrom + i, in, [w](std::int64_t j, float value) { w[j] = value; });
            }
        });
}

/// The vector kernels want groups that begin at a whole vector.
template <class Op>
bool groupsFitVectors(const Op& op) {
    return op.scale.shape[1] == 1 || op.groupSize % 16 == 0;
}

template <class Op>
GroupMatrix rawMatrix(const Op& op, std::int64_t in) {
    const auto* packed = op.packed.template ptr<std::int32_t>();
    return {
        .packed = packed,
        .packedEnd = packed + op.packed.elementCount(),
        .scale = op.scale.template ptr<std::uint16_t>(),
        .zero = op.zero.template ptr<std::uint8_t>(),
        .in = in,
        .wordsPerRow = op.packed.shape[1],
        .groups = op.scale.shape[1],
        .groupSize = effectiveGroup(op.groupSize, in),
        .bits = op.bits};
}

using SimdGemv = void (*)(const GroupGemvRows&, int64_t, int64_t);
using SimdDequantize = void (*)(const GroupDequantizeRows&, int64_t, int64_t);

template <SimdGemv Run>
void simdGemv(ExecContext& context, const GroupGemv& op) {
    const std::int64_t in = op.x.shape[1], out = op.y.shape[1];
    const GroupGemvRows raw{
        .w = rawMatrix(op, in),
        .x = op.x.ptr<float>(),
        .bias = op.bias.ptr<float>(),
        .y = op.y.ptr<float>(),
        .out = out,
        .rows = static_cast<int>(op.x.shape[0])};
    context.pool().parallelFor(
        out, grainRows(in), [&raw](std::int64_t from, std::int64_t to) { Run(raw, from, to); });
}

template <SimdDequantize Run>
void simdDequantize(ExecContext& context, const GroupDequantize& op) {
    const std::int64_t in = op.w.shape[1];
    const GroupDequantizeRows raw{
        .w = rawMatrix(op, in), .y = op.w.ptr<float>(), .rowFrom = op.rowFrom};
    context.pool().parallelFor(
        op.w.shape[0], grainRows(in),
        [&raw](std::int64_t from, std::int64_t to) { Run(raw, from, to); });
}

template <class Op>
void checkMatrix(const Arguments& arguments, const Op& op, std::int64_t in) {
    LATHE_CHECK(
        op.bits >= 1 && op.bits <= 8,
        "grouped weight: codes of " + std::to_string(op.bits) + " bits, 1 to 8 are possible");
    LATHE_CHECK(
        op.groupSize >= 0,
        "grouped weight: groups of " + std::to_string(op.groupSize) + ", 0 (a whole row) or more");
    arguments.rank("packed", op.packed, 2);
    const std::int64_t out = op.packed.shape[0];
    arguments.i32("packed", op.packed, {out, packedWords(in, op.bits)});
    arguments.check("scale", op.scale, {out, groupCount(op.groupSize, in)}, {DType::F16});
    arguments.check("zero", op.zero, {out, groupCount(op.groupSize, in)}, {DType::U8});
}

} // namespace

template <>
std::span<const Kernel<GroupGemv>> kernelsOf<GroupGemv>() {
    static constexpr Kernel<GroupGemv> kTable[] = {
#ifdef LATHE_HAVE_CUDA
        {Target::Cuda, "cuda", &cuda::launch},
#endif
        {Target::Avx512, "avx512", &simdGemv<&avx512::groupGemv>, &groupsFitVectors<GroupGemv>},
        {Target::Avx2, "avx2", &simdGemv<&avx2::groupGemv>, &groupsFitVectors<GroupGemv>},
        {Target::Scalar, "scalar", &scalarGemv},
    };
    return kTable;
}

template <>
std::span<const Kernel<GroupDequantize>> kernelsOf<GroupDequantize>() {
    static constexpr Kernel<GroupDequantize> kTable[] = {
#ifdef LATHE_HAVE_CUDA
        {Target::Cuda, "cuda", &cuda::launch},
#endif
        {Target::Avx512, "avx512", &simdDequantize<&avx512::groupDequantize>,
         &groupsFitVectors<GroupDequantize>},
        {Target::Avx2, "avx2", &simdDequantize<&avx2::groupDequantize>,
         &groupsFitVectors<GroupDequantize>},
        {Target::Scalar, "scalar", &scalarDequantize},
    };
    return kTable;
}

void run(ExecContext& context, const GroupGemv& op) {
    const Arguments arguments("group_gemv", context.device());
    arguments.rank("x", op.x, 2);
    const std::int64_t rows = op.x.shape[0], in = op.x.shape[1];
    LATHE_CHECK(
        rows >= 1 && rows <= 8,
        "group_gemv: x is " + op.x.shape.text() + ", 1 to 8 rows are possible");
    arguments.f32("x", op.x, op.x.shape);
    checkMatrix(arguments, op, in);
    const std::int64_t out = op.packed.shape[0];
    arguments.f32("y", op.y, {rows, out});
    if (op.bias.data != nullptr) {
        arguments.f32("bias", op.bias, {out});
    }
    if (out == 0) {
        return;
    }
    arguments.disjoint("y", op.y, "x", op.x);
    dispatch(context, op, "group_gemv");
}

void run(ExecContext& context, const GroupDequantize& op) {
    const Arguments arguments("group_dequantize", context.device());
    arguments.rank("w", op.w, 2);
    arguments.f32("w", op.w, op.w.shape);
    checkMatrix(arguments, op, op.w.shape[1]);
    const std::int64_t count = op.w.shape[0];
    LATHE_CHECK(
        op.rowFrom >= 0 && op.rowFrom <= op.packed.shape[0] - count,
        "group_dequantize: " + std::to_string(count) + " rows from row " +
            std::to_string(op.rowFrom) + " on, packed is " + op.packed.shape.text());
    if (op.w.elementCount() == 0) {
        return;
    }
    dispatch(context, op, "group_dequantize");
}

} // namespace lathe
