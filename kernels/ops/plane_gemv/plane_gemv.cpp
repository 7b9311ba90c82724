// SPDX-License-Identifier: Apache-2.0
#include "kernels/ops/plane_gemv/plane_gemv.h"

#include "engine/core/check.h"
#include "kernels/core/aligned.h"
#include "kernels/core/arguments.h"
#include "kernels/core/dispatch.h"
#include "kernels/core/half.h"
#include "kernels/ops/lut_gemv/lut_gemv.h"
#include "kernels/ops/lut_gemv/packed_code.h"

#include <algorithm>
#include <bit>
#include <string>
#include <vector>

namespace lathe {

#ifdef LATHE_HAVE_CUDA
namespace cuda {
void launch(ExecContext& context, const PlaneArrange& op);
void launch(ExecContext& context, const PlaneGemv& op);
bool acceptsPlanes(const PlaneGemv& op);
std::int64_t multiprocessors(ExecContext& context);
} // namespace cuda
#endif

namespace {

/// Wider codes have too many sets of bits; with one bit LutGemv is as fast.
constexpr int kFewestBits = 2;
constexpr int kMostBits = 4;
/// 16 bytes for each of 32 lanes.
constexpr std::int64_t kPieceWords = 128;

bool hasSparse(const PlaneGemv& op) { return op.sparse.rowPointers.data != nullptr; }

bool isOdd(std::int64_t set) { return std::popcount(static_cast<std::uint64_t>(set)) % 2 == 1; }

/// c_S of one row's table.
double coefficientOf(const Half* table, int bits, std::int64_t set) {
    if (set == 0) {
        return toFloat(table[0]);
    }
    double sum = 0.0;
    const std::int64_t entries = std::int64_t{1} << bits;
    for (std::int64_t code = 0; code < entries; ++code) {
        const double entry = toFloat(table[code]);
        sum += isOdd(code & set) ? -entry : entry;
    }
    return -2.0 / static_cast<double>(entries) * sum;
}

/// Where the bits of one weight lie in planes of this shape.
struct BitPlace {
    std::int64_t lane;  ///< first word of all lanes at this step, and lane
    std::int64_t first; ///< among the lane's words, for plane 0
    int bit;

    BitPlace(const Shape& planes, std::int64_t row, std::int64_t column) {
        const std::int64_t inStep = column % kPlaneStepColumns;
        const std::int64_t group = inStep % 32 / 4; // 0..7
        const std::int64_t step =
            row / kPlaneTileRows * planes[1] + column / kPlaneStepColumns; // of all tiles
        lane = step * planes[2] * kPieceWords + (row % kPlaneTileRows * 4 + group % 4) * 4;
        first = inStep / 256 * planes[2] * 2 + group / 4;
        bit = static_cast<int>(inStep % 256 / 32 * 4 + inStep % 4);
    }
    std::int64_t word(std::int64_t plane) const {
        const std::int64_t w = first + plane * 2;
        return lane + w / 4 * kPieceWords + w % 4;
    }
};

void scalarArrange(ExecContext& context, const PlaneArrange& op) {
    const std::int64_t out = op.packed.shape[0], words = op.packed.shape[1];
    const std::int64_t entries = std::int64_t{1} << op.bits;
    auto* planes = op.planes.ptr<std::int32_t>();
    auto* coefficients = op.coefficients.ptr<float>();
    std::fill_n(planes, op.planes.elementCount(), 0);
    std::fill_n(coefficients, op.coefficients.elementCount(), 0.0F);
    context.pool().parallelFor(planeTiles(out), 1, [&](std::int64_t from, std::int64_t to) {
        for (std::int64_t o = from * kPlaneTileRows; o < std::min(to * kPlaneTileRows, out); ++o) {
            for (std::int64_t set = 0; set < entries; ++set) {
                coefficients[o * entries + set] = static_cast<float>(
                    coefficientOf(op.table.ptr<Half>() + o * entries, op.bits, set));
            }
            for (std::int64_t j = 0; j < op.in; ++j) {
                const auto code = static_cast<std::uint32_t>(
                    codeAt(op.packed.ptr<std::int32_t>() + o * words, j, op.bits));
                const BitPlace place(op.planes.shape, o, j);
                for (int plane = 0; plane < op.bits; ++plane) {
                    auto& word = planes[place.word(plane)];
                    word = static_cast<std::int32_t>(
                        static_cast<std::uint32_t>(word) | (code >> plane & 1U) << place.bit);
                }
            }
        }
    });
}

/// x times row o of the sparse part.
double sparseProduct(const PlaneGemv& op, std::int64_t o) {
    double sum = 0.0;
    if (!hasSparse(op)) {
        return sum;
    }
    const auto* pointers = op.sparse.rowPointers.ptr<std::int32_t>();
    for (std::int32_t i = pointers[o]; i < pointers[o + 1]; ++i) {
        const float value = op.sparse.values.dtype == DType::F16
                                ? toFloat(op.sparse.values.ptr<Half>()[i])
                                : op.sparse.values.ptr<float>()[i];
        sum += double{value} * double{op.x.ptr<float>()[op.sparse.columns.ptr<std::uint16_t>()[i]]};
    }
    return sum;
}

void scalarGemv(ExecContext& context, const PlaneGemv& op) {
    const std::int64_t in = op.x.shape[1], out = op.y.shape[1];
    const std::int64_t bits = op.planes.shape[2];
    const std::int64_t entries = op.coefficients.shape[1];
    const auto* planes = op.planes.ptr<std::int32_t>();
    const auto* x = op.x.ptr<float>();
    const auto* bias = op.bias.ptr<float>();
    context.pool().parallelFor(out, 16, [&](std::int64_t from, std::int64_t to) {
        std::vector<double> sums(
            static_cast<std::size_t>(entries)); // of the x with odd parity in S
        for (std::int64_t o = from; o < to; ++o) {
            std::fill(sums.begin(), sums.end(), 0.0);
            double all = 0.0;
            for (std::int64_t j = 0; j < in; ++j) {
                const BitPlace place(op.planes.shape, o, j);
                std::int64_t code = 0;
                for (std::int64_t plane = 0; plane < bits; ++plane) {
                    const auto word = static_cast<std::uint32_t>(planes[place.word(plane)]);
                    code |= static_cast<std::int64_t>(word >> place.bit & 1U) << plane;
                }
                all += x[j];
                for (std::int64_t set = 1; set < entries; ++set) {
                    sums[static_cast<std::size_t>(set)] += isOdd(code & set) ? x[j] : 0.0F;
                }
            }
            const float* coefficients = op.coefficients.ptr<float>() + o * entries;
            double y = bias != nullptr ? bias[o] : 0.0;
            y += coefficients[0] * all + sparseProduct(op, o);
            for (std::int64_t set = 1; set < entries; ++set) {
                y += coefficients[set] * sums[static_cast<std::size_t>(set)];
            }
            op.y.ptr<float>()[o] = static_cast<float>(y);
        }
    });
}

void checkBits(const char* op, std::int64_t bits) {
    LATHE_CHECK(
        bits >= 1 && bits <= kMostBits,
        std::string(op) + ": codes of " + std::to_string(bits) + " bits, 1 to 4 are possible");
}

} // namespace

template <>
std::span<const Kernel<PlaneArrange>> kernelsOf<PlaneArrange>() {
    static constexpr Kernel<PlaneArrange> kTable[] = {
#ifdef LATHE_HAVE_CUDA
        {Target::Cuda, "cuda", &cuda::launch},
#endif
        {Target::Scalar, "scalar", &scalarArrange},
    };
    return kTable;
}

template <>
std::span<const Kernel<PlaneGemv>> kernelsOf<PlaneGemv>() {
    static constexpr Kernel<PlaneGemv> kTable[] = {
#ifdef LATHE_HAVE_CUDA
        {Target::Cuda, "cuda", &cuda::launch, &cuda::acceptsPlanes},
#endif
        {Target::Scalar, "scalar", &scalarGemv},
    };
    return kTable;
}

bool prefersPlanes(const ExecContext& context, int bits, std::int64_t in) {
    if (!context.device().isCuda() || bits < kFewestBits || bits > kMostBits) {
        return false;
    }
    PlaneGemv op{};
    op.planes.shape = planesShape(0, in, bits);
    op.planes.device = context.device();
    const auto table = kernelsOf<PlaneGemv>();
    return table.front().target == Target::Cuda && table.front().accepts(op);
}

std::int64_t planeBlocks(ExecContext& context, [[maybe_unused]] std::int64_t out) {
#ifdef LATHE_HAVE_CUDA
    if (context.device().isCuda()) {
        return std::min(planeTiles(out), cuda::multiprocessors(context));
    }
#endif
    throw InternalError("blocks of a GPU were asked of " + context.device().name());
}

void run(ExecContext& context, const PlaneArrange& op) {
    const Arguments arguments("plane_arrange", context.device());
    checkBits("plane_arrange", op.bits);
    LATHE_CHECK(op.in >= 0, "plane_arrange: in is " + std::to_string(op.in));
    arguments.rank("packed", op.packed, 2);
    const std::int64_t out = op.packed.shape[0], entries = std::int64_t{1} << op.bits;
    arguments.i32("packed", op.packed, {out, packedWords(op.in, op.bits)});
    arguments.check("table", op.table, {out, entries}, {DType::F16});
    arguments.i32("planes", op.planes, planesShape(out, op.in, op.bits));
    arguments.f32("coefficients", op.coefficients, planeCoefficientsShape(out, op.bits));
    if (out == 0) {
        return;
    }
    dispatch(context, op, "plane_arrange");
}

void run(ExecContext& context, const PlaneGemv& op) {
    const Arguments arguments("plane_gemv", context.device());
    arguments.rank("x", op.x, 2);
    arguments.f32("x", op.x, {1, op.x.shape[1]});
    arguments.rank("planes", op.planes, 5);
    arguments.rank("y", op.y, 2);
    const std::int64_t in = op.x.shape[1], out = op.y.shape[1], bits = op.planes.shape[2];
    checkBits("plane_gemv", bits);
    arguments.f32("y", op.y, {1, out});
    arguments.i32("planes", op.planes, planesShape(out, in, bits));
    arguments.f32("coefficients", op.coefficients, planeCoefficientsShape(out, bits));
    if (op.bias.data != nullptr) {
        arguments.f32("bias", op.bias, {out});
    }
    if (hasSparse(op)) {
        checkView(arguments, op.sparse, in);
        arguments.i32("sparse.rowPointers", op.sparse.rowPointers, {out + 1});
    }
    if (op.shares.data != nullptr) {
        arguments.rank("shares", op.shares, 2);
        const std::int64_t blocks = (op.shares.shape[0] - 1) / kPlaneWorkers;
        arguments.i32("shares", op.shares, {blocks * kPlaneWorkers + 1, 2});
        LATHE_CHECK(blocks >= 1, "plane_gemv: shares of no block");
    }
    if (out == 0) {
        return;
    }
    arguments.disjoint("y", op.y, "x", op.x);
    LATHE_CHECK(
        isAligned(op.planes.data) && isAligned(op.coefficients.data),
        "plane_gemv: planes and coefficients must be aligned to 16 bytes");
    dispatch(context, op, "plane_gemv");
}

} // namespace lathe
