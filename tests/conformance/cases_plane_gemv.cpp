// SPDX-License-Identifier: Apache-2.0
#include "kernels/ops/plane_gemv/plane_gemv.h"
#include "tests/conformance/cases.h"
#include "tests/conformance/packed_inputs.h"
#include "tests/conformance/sparse_inputs.h"

namespace lathe::conformance {

namespace {
/// The CUDA kernel rounds x to steps of 2^-15 of the largest. For normal x that is a standard error
/// of 4e-5 of that of y, and so, at four times it, some 1e-4 of the largest y; measured up
/// to 1.03e-4.
constexpr double kBound = 2.5e-4;

struct Sizes {
    int bits = 4;
    std::int64_t in = 1, out = 1;
    bool bias = false;
};

std::string text(const Sizes& sizes) {
    return std::to_string(sizes.bits) + " bit in " + std::to_string(sizes.in) + " out " +
           std::to_string(sizes.out) + (sizes.bias ? " bias" : "");
}

PlaneGemv makeGemv(Arrays& arrays, const Sizes& sizes, ConstView x) {
    using Limits = std::numeric_limits<std::int32_t>;
    PlaneGemv op{
        .x = x,
        // Bits beyond the matrix may be anything, as those of a file.
        .planes = arrays.integers(
            "planes", planesShape(sizes.out, sizes.in, sizes.bits), Limits::min(), Limits::max()),
        .coefficients =
            arrays.floats("coefficients", planeCoefficientsShape(sizes.out, sizes.bits)),
        .y = {}};
    if (sizes.bias) {
        op.bias = arrays.floats("bias", {sizes.out});
    }
    op.y = arrays.output("y", {1, sizes.out}, DType::F32, kBound);
    return op;
}

void addGemv(std::vector<Check>& checks, Sizes sizes) {
    addCase<PlaneGemv>(checks, "plane_gemv", text(sizes), [sizes](Arrays& arrays) {
        return makeGemv(arrays, sizes, arrays.floats("x", {1, sizes.in}));
    });
}

/// @param blocks their workers share the work as the values ask for; 0: equally
void addSparse(
    std::vector<Check>& checks, Sizes sizes, SparseSizes sparse, std::int64_t blocks = 0,
    CaseOptions options = {}) {
    sparse.out = sizes.out;
    sparse.in = sizes.in;
    const std::string name = text(sizes) + " " + sparse.text() +
                             (blocks > 0 ? " blocks " + std::to_string(blocks) : "") +
                             (options.shifted ? " shifted" : "");
    addCase<PlaneGemv>(
        checks, "plane_gemv", name,
        [=](Arrays& arrays) {
            std::vector<std::int32_t> pointers;
            const SparseView view = randomSparse(arrays, sparse, &pointers);
            PlaneGemv op = makeGemv(arrays, sizes, arrays.floats("x", {1, sizes.in}));
            op.sparse = view;
            if (blocks > 0) {
                const auto shares = planeShares(pointers, sizes.in, blocks);
                op.shares = arrays.given(
                    "shares", {static_cast<std::int64_t>(shares.size() / 2), 2}, shares);
            }
            return op;
        },
        options);
}

void addArrange(std::vector<Check>& checks, Sizes sizes) {
    addCase<PlaneArrange>(checks, "plane_arrange", text(sizes), [sizes](Arrays& arrays) {
        const std::int64_t entries = std::int64_t{1} << sizes.bits;
        return PlaneArrange{
            .packed = randomCodes(arrays, sizes.out, sizes.in, sizes.bits),
            .table = arrays.weights("table", {sizes.out, entries}, DType::F16),
            .bits = sizes.bits,
            .in = sizes.in,
            .planes =
                arrays.output("planes", planesShape(sizes.out, sizes.in, sizes.bits), DType::I32),
            .coefficients = arrays.output(
                "coefficients", planeCoefficientsShape(sizes.out, sizes.bits), DType::F32, 1e-7)};
    });
}

} // namespace

namespace {

void addSparseCases(std::vector<Check>& checks) {
    for (int bits = 1; bits <= 4; ++bits) {
        addSparse(checks, {bits, 1, 1}, {.share = 1.0});
        addSparse(checks, {bits, 513, 17, true}, {.share = 0.05, .values = DType::F32});
        addSparse(checks, {bits, 4099, 2050, true}, {.share = 0.0045});
        addSparse(checks, {bits, 1030, 333}, {.share = 0.0002}); // rows without values
        addSparse(checks, {bits, 4099, 777}, {.share = 0.002, .fullRow = 60}, 24);
    }
    addSparse(checks, {4, 512, 20000, true}, {.share = 0.0045});
    addSparse(checks, {3, 16411, 40}, {.share = 0.01, .fullRow = 7, .values = DType::F32}, 3);
    addSparse(checks, {3, 4096, 2050, true}, {.fullRow = 2050}); // all in one row
    addSparse(checks, {4, 4096, 2050}, {.fullRow = 2050}, 132);
    addSparse(checks, {4, 700, 100}, {.share = 1.0}); // all
    addSparse(checks, {2, 65536, 9}, {.share = 0.001});
    addSparse(checks, {3, 300, 20}, {.share = 0.0});
    addCase<PlaneGemv>(checks, "plane_gemv", "NaN and a sparse part", [](Arrays& arrays) {
        std::vector<float> x = arrays.normals(300, 1.0);
        x[5] = std::numeric_limits<float>::quiet_NaN();
        PlaneGemv op = makeGemv(arrays, {3, 300, 20}, arrays.given("x", {1, 300}, x));
        op.sparse = randomSparse(arrays, {.out = 20, .in = 300, .share = 0.05});
        return op;
    });
}

} // namespace

void addPlaneGemvCases(std::vector<Check>& checks) {
    for (int bits = 1; bits <= 4; ++bits) {
        addGemv(checks, {bits, 1, 1});
        addGemv(checks, {bits, 255, 7, true});
        addGemv(checks, {bits, 256, 8});
        addGemv(checks, {bits, 257, 9, true});
        addGemv(checks, {bits, 513, 17, true});
        addGemv(checks, {bits, 1030, 33});
        addGemv(checks, {bits, 4099, 2050}); // tiles are split among warps
        addGemv(checks, {bits, 16411, 40, true});
        addGemv(checks, {bits, 512, 20000, true}); // several tiles for each group of warps
        addArrange(checks, {bits, 1, 1});
        addArrange(checks, {bits, 257, 9});
        addArrange(checks, {bits, 513, 8});
        addArrange(checks, {bits, 1030, 33});
    }
    addSparseCases(checks);
    addGemv(checks, {4, 0, 9, true});
    addGemv(checks, {4, 16640, 4448}); // workers of a tile with more and with fewer steps
    addCase<PlaneGemv>(checks, "plane_gemv", "65536 x of one sign", [](Arrays& arrays) {
        const std::vector<float> x(65536, 1.0F);
        return makeGemv(arrays, {2, 65536, 40}, arrays.given("x", {1, 65536}, x));
    });
    const auto addSpecial = [&checks](const char* name, std::size_t at, float value, float scale) {
        addCase<PlaneGemv>(checks, "plane_gemv", name, [=](Arrays& arrays) {
            std::vector<float> x = arrays.normals(300, scale);
            x[at] = value;
            return makeGemv(arrays, {3, 300, 20}, arrays.given("x", {1, 300}, x));
        });
    };
    addSpecial("NaN spoils all of y", 5, std::numeric_limits<float>::quiet_NaN(), 1.0F);
    addSpecial("one large x", 299, -1e38F, 1.0F);
    addSpecial("tiny x", 7, 1e-30F, 1e-30F);
    addSpecial("x that F16 cannot hold", 8, 1e6F, 1e5F);
    addSpecial("zeros", 0, 0.0F, 0.0F);
}

} // namespace lathe::conformance
