// SPDX-License-Identifier: Apache-2.0
#include "kernels/ops/lut_gemv/lut_gemv.h"

#include "engine/core/check.h"
#include "kernels/core/arguments.h"
#include "kernels/core/dispatch.h"
#include "kernels/core/half.h"
#include "kernels/ops/lut_gemv/lut_gemv_simd.h"
#include "kernels/ops/lut_gemv/packed_code.h"

#include <algorithm>
#include <type_traits>

namespace lathe {

#ifdef LATHE_HAVE_CUDA
namespace cuda {
void launch(ExecContext& context, const LutGemv& op);
bool acceptsRows(const LutGemv& op);
void launchRows(ExecContext& context, const LutGemv& op);
void launch(ExecContext& context, const LutDequantize& op);
} // namespace cuda
#endif

namespace {

/// Weights that one job of the pool decodes at least: some ten microseconds of work.
constexpr std::int64_t kGrainWeights = 64 * 1024;

/// Rows of x that the kernels of the processor take, and up to which a GPU decodes faster than it
/// dequantizes: measured, see docs/adr/0008-many-rows.md.
constexpr std::int64_t kFewRows = 8;
constexpr std::int64_t kMostHalfRows = 48;
constexpr std::int64_t kMostRows = 64;

std::int64_t grainRows(std::int64_t in) {
    return std::max<std::int64_t>(1, kGrainWeights / std::max<std::int64_t>(in, 1));
}

void scalarGemv(ExecContext& context, const LutGemv& op) {
    const std::int64_t rows = op.x.shape[0], in = op.x.shape[1], out = op.y.shape[1];
    const std::int64_t words = op.packed.shape[1];
    const auto* bias = op.bias.ptr<float>();
    context.pool().parallelFor(out, grainRows(in), [&](std::int64_t from, std::int64_t to) {
        for (std::int64_t o = from; o < to; ++o) {
            const std::int32_t* packed = op.packed.ptr<std::int32_t>() + o * words;
            const Half* table = op.table.ptr<Half>() + (o << op.bits);
            double sums[kMostRows] = {};
            for (std::int64_t j = 0; j < in; ++j) {
                const double w = toFloat(table[codeAt(packed, j, op.bits)]);
                for (std::int64_t row = 0; row < rows; ++row) {
                    sums[row] += w * op.x.ptr<float>()[row * in + j];
                }
            }
            for (std::int64_t row = 0; row < rows; ++row) {
                const double start = bias != nullptr ? bias[o] : 0.0;
                op.y.ptr<float>()[row * out + o] = static_cast<float>(sums[row] + start);
            }
        }
    });
}

template <class T>
void widenRows(ExecContext& context, const LutDequantize& op) {
    const std::int64_t in = op.w.shape[1], words = op.packed.shape[1];
    context.pool().parallelFor(
        op.w.shape[0], grainRows(in), [&](std::int64_t from, std::int64_t to) {
            for (std::int64_t i = from; i < to; ++i) {
                const std::int64_t o = op.rowFrom + i;
                const std::int32_t* packed = op.packed.ptr<std::int32_t>() + o * words;
                const Half* table = op.table.ptr<Half>() + (o << op.bits);
                T* w = op.w.ptr<T>() + i * in;
                for (std::int64_t j = 0; j < in; ++j) {
                    const Half entry = table[codeAt(packed, j, op.bits)];
                    if constexpr (std::is_same_v<T, Half>) {
                        w[j] = entry;
                    } else {
                        w[j] = toFloat(entry);
                    }
                }
            }
        });
}

void scalarDequantize(ExecContext& context, const LutDequantize& op) {
    op.w.dtype == DType::F16 ? widenRows<Half>(context, op) : widenRows<float>(context, op);
}

/// x [rows, in] in the order of LutTiles; what lies beyond `in` or `rows` becomes zero.
void tileActivations(ConstView x, const LutTiles& tiles, int paddedRows, float* tiled) {
    const std::int64_t rows = x.shape[0], in = x.shape[1];
    const std::int64_t steps = tiles.codesPerLane, lanes = tiles.lanes, tile = steps * lanes;
    std::fill_n(tiled, tiles.count * tile * paddedRows, 0.0F);
    for (std::int64_t row = 0; row < rows; ++row) {
        const float* from = x.ptr<float>() + row * in;
        for (std::int64_t j = 0; j < in; ++j) {
            const std::int64_t lane = j % tile / steps, step = j % steps;
            tiled[((j / tile * steps + step) * paddedRows + row) * lanes + lane] = from[j];
        }
    }
}

using SimdGemv = void (*)(const LutGemvRows&, int64_t, int64_t);
using SimdDequantize = void (*)(const LutDequantizeRows&, int64_t, int64_t);

template <int Lanes, SimdGemv Run>
void simdGemv(ExecContext& context, const LutGemv& op) {
    const std::int64_t rows = op.x.shape[0], in = op.x.shape[1], out = op.y.shape[1];
    const LutTiles tiles(Lanes, op.bits, in);
    int paddedRows = 1;
    while (paddedRows < rows) {
        paddedRows *= 2;
    }
    const Arena::Scope scope(context.scratch());
    const TensorView tiled = context.scratch().take(
        Shape{tiles.count, tiles.codesPerLane, paddedRows, Lanes}, DType::F32);
    tileActivations(op.x, tiles, paddedRows, tiled.ptr<float>());
    const LutGemvRows raw{
        .tiledX = tiled.ptr<float>(),
        .packed = op.packed.ptr<std::int32_t>(),
        .table = op.table.ptr<std::uint16_t>(),
        .bias = op.bias.ptr<float>(),
        .y = op.y.ptr<float>(),
        .in = in,
        .out = out,
        .wordsPerRow = op.packed.shape[1],
        .rows = static_cast<int>(rows),
        .paddedRows = paddedRows,
        .bits = op.bits};
    context.pool().parallelFor(
        out, grainRows(in), [&raw](std::int64_t from, std::int64_t to) { Run(raw, from, to); });
}

template <SimdDequantize Run>
void simdDequantize(ExecContext& context, const LutDequantize& op) {
    const std::int64_t in = op.w.shape[1];
    const auto* packed = op.packed.ptr<std::int32_t>();
    const LutDequantizeRows raw{
        .packed = packed,
        .packedEnd = packed + op.packed.elementCount(),
        .table = op.table.ptr<std::uint16_t>(),
        .w = op.w.ptr<float>(),
        .in = in,
        .wordsPerRow = op.packed.shape[1],
        .rowFrom = op.rowFrom,
        .bits = op.bits};
    context.pool().parallelFor(
        op.w.shape[0], grainRows(in),
        [&raw](std::int64_t from, std::int64_t to) { Run(raw, from, to); });
}

bool hasFewRows(const LutGemv& op) { return op.x.shape[0] <= kFewRows; }
bool isWide(const LutDequantize& op) { return op.w.dtype == DType::F32; }

void checkMatrix(
    const Arguments& arguments, ConstView packed, ConstView table, int bits, std::int64_t in) {
    LATHE_CHECK(
        bits >= 1 && bits <= 8,
        "look-up weight: codes of " + std::to_string(bits) + " bits, 1 to 8 are possible");
    arguments.rank("packed", packed, 2);
    arguments.i32("packed", packed, {packed.shape[0], packedWords(in, bits)});
    arguments.check("table", table, {packed.shape[0], std::int64_t{1} << bits}, {DType::F16});
}

} // namespace

template <>
std::span<const Kernel<LutGemv>> kernelsOf<LutGemv>() {
    static constexpr Kernel<LutGemv> kTable[] = {
#ifdef LATHE_HAVE_CUDA
        {Target::Cuda, "cuda rows", &cuda::launchRows, &cuda::acceptsRows},
        {Target::Cuda, "cuda", &cuda::launch},
#endif
        {Target::Avx512, "avx512", &simdGemv<16, &avx512::lutGemv>, &hasFewRows},
        {Target::Avx2, "avx2", &simdGemv<8, &avx2::lutGemv>, &hasFewRows},
        {Target::Scalar, "scalar", &scalarGemv},
    };
    return kTable;
}

template <>
std::span<const Kernel<LutDequantize>> kernelsOf<LutDequantize>() {
    static constexpr Kernel<LutDequantize> kTable[] = {
#ifdef LATHE_HAVE_CUDA
        {Target::Cuda, "cuda", &cuda::launch},
#endif
        {Target::Avx512, "avx512", &simdDequantize<&avx512::lutDequantize>, &isWide},
        {Target::Avx2, "avx2", &simdDequantize<&avx2::lutDequantize>, &isWide},
        {Target::Scalar, "scalar", &scalarDequantize},
    };
    return kTable;
}

std::int64_t lutGemvMostRows(const ExecContext& context, int bits, std::int64_t in) {
    if (!context.device().isCuda()) {
        return kFewRows;
    }
    LutGemv op{};
    op.bits = bits;
    op.x.shape = Shape{kMostRows, in};
    op.packed.shape = Shape{0, packedWords(in, bits)};
    op.packed.device = context.device();
    const auto table = kernelsOf<LutGemv>();
    if (table.front().accepts == nullptr || !table.front().accepts(op)) {
        return kFewRows;
    }
    return context.products() == Products::Half ? kMostHalfRows : kMostRows;
}

void run(ExecContext& context, const LutGemv& op) {
    const Arguments arguments("lut_gemv", context.device());
    arguments.rank("x", op.x, 2);
    const std::int64_t rows = op.x.shape[0], in = op.x.shape[1];
    const std::int64_t most = lutGemvMostRows(context, op.bits, in);
    LATHE_CHECK(
        rows >= 1 && rows <= most, "lut_gemv: x is " + op.x.shape.text() + ", 1 to " +
                                       std::to_string(most) + " rows are possible");
    arguments.f32("x", op.x, op.x.shape);
    checkMatrix(arguments, op.packed, op.table, op.bits, in);
    const std::int64_t out = op.packed.shape[0];
    arguments.f32("y", op.y, {rows, out});
    if (op.bias.data != nullptr) {
        arguments.f32("bias", op.bias, {out});
    }
    if (out == 0) {
        return;
    }
    arguments.disjoint("y", op.y, "x", op.x);
    dispatch(context, op, "lut_gemv");
}

void run(ExecContext& context, const LutDequantize& op) {
    const Arguments arguments("lut_dequantize", context.device());
    arguments.rank("w", op.w, 2);
    arguments.check("w", op.w, op.w.shape, {DType::F32, DType::F16});
    checkMatrix(arguments, op.packed, op.table, op.bits, op.w.shape[1]);
    const std::int64_t count = op.w.shape[0];
    LATHE_CHECK(
        op.rowFrom >= 0 && op.rowFrom <= op.packed.shape[0] - count,
        "lut_dequantize: " + std::to_string(count) + " rows from row " +
            std::to_string(op.rowFrom) + " on, packed is " + op.packed.shape.text());
    if (op.w.elementCount() == 0) {
        return;
    }
    dispatch(context, op, "lut_dequantize");
}

} // namespace lathe
