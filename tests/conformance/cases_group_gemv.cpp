// SPDX-License-Identifier: Apache-2.0
#include "kernels/core/half.h"
#include "kernels/ops/group_gemv/group_gemv.h"
#include "tests/conformance/cases.h"
#include "tests/conformance/packed_inputs.h"

namespace lathe::conformance {

namespace {

/// Single precision sums of up to 16411 products in any order, the integers summed before they are
/// scaled; measured up to 2e-6.
constexpr double kBound = 8e-6;

std::int64_t groupsOf(std::int64_t groupSize, std::int64_t in) {
    return groupSize == 0 || groupSize >= in ? 1 : (in + groupSize - 1) / groupSize;
}

std::string groupText(std::int64_t groupSize) {
    return groupSize == 0 ? " whole row" : " groups of " + std::to_string(groupSize);
}

/// Scales of either sign.
ConstView scales(Arrays& arrays, std::int64_t out, std::int64_t groups) {
    return arrays.weights("scale", {out, groups}, DType::F16, 0.05);
}

/// Zeros of the range of the codes, as quantizers make them.
ConstView zeros(Arrays& arrays, std::int64_t out, std::int64_t groups, int bits) {
    std::vector<std::uint8_t> values(static_cast<std::size_t>(out * groups));
    for (std::uint8_t& value : values) {
        value = static_cast<std::uint8_t>(arrays.random()() % (std::uint64_t{1} << bits));
    }
    return arrays.given("zero", {out, groups}, values);
}

struct Sizes {
    int bits = 4;
    std::int64_t group = 0, rows = 1, in = 1, out = 1;
    bool bias = false;
};

GroupGemv makeGemv(Arrays& arrays, const Sizes& sizes) {
    const std::int64_t groups = groupsOf(sizes.group, sizes.in);
    GroupGemv op{
        .x = arrays.floats("x", {sizes.rows, sizes.in}),
        .packed = randomCodes(arrays, sizes.out, sizes.in, sizes.bits),
        .scale = scales(arrays, sizes.out, groups),
        .zero = zeros(arrays, sizes.out, groups, sizes.bits),
        .bits = sizes.bits,
        .groupSize = sizes.group,
        .y = {}};
    if (sizes.bias) {
        op.bias = arrays.floats("bias", {sizes.out});
    }
    op.y = arrays.output("y", {sizes.rows, sizes.out}, DType::F32, kBound);
    return op;
}

void addGemv(std::vector<Check>& checks, Sizes sizes, CaseOptions options = {}) {
    const std::string name = std::to_string(sizes.bits) + " bit" + groupText(sizes.group) +
                             " rows " + std::to_string(sizes.rows) + " in " +
                             std::to_string(sizes.in) + " out " + std::to_string(sizes.out) +
                             (sizes.bias ? " bias" : "") + (options.shifted ? " shifted" : "");
    addCase<GroupGemv>(
        checks, "group_gemv", name, [sizes](Arrays& arrays) { return makeGemv(arrays, sizes); },
        options);
}

void addGemvCases(std::vector<Check>& checks) {
    for (int bits = 1; bits <= 8; ++bits) {
        addGemv(checks, {bits, 0, 1, 1, 1});
        addGemv(checks, {bits, 0, 1, 1030, 33, true});
        addGemv(checks, {bits, 0, 2, 77, 31});
        addGemv(checks, {bits, 32, 1, 515, 21, true});
        addGemv(checks, {bits, 64, 3, 513, 5, true});
        addGemv(checks, {bits, 128, 8, 259, 66});
        addGemv(checks, {bits, 16, 2, 63, 9});
        addGemv(checks, {bits, 7, 3, 100, 11, true});
        addGemv(checks, {bits, 33, 1, 330, 8});
        addGemv(checks, {bits, 128, 1, 77, 13}); // one group, larger than the row
        addGemv(checks, {bits, 64, 5, 165, 23, true}, {.shifted = true});
        addGemv(checks, {bits, 128, 1, 16411, 3, true});
    }
    for (std::int64_t rows = 4; rows <= 7; ++rows) {
        addGemv(checks, {4, 32, rows, 131, 17, true});
    }
    addGemv(checks, {4, 0, 1, 256, 1024});
    addGemv(checks, {3, 32, 1, 64, 4099, true}); // many rows for every group of threads
    addGemv(checks, {5, 0, 8, 16411, 3});
    addGemv(checks, {6, 7, 1, 16411, 2});
    addGemv(checks, {4, 32, 2, 0, 9, true});
    addGemv(checks, {4, 32, 1, 8, 0}, {.throughRun = true});
    addCase<GroupGemv>(
        checks, "group_gemv", "NaN and infinity stay in their rows", [](Arrays& arrays) {
            std::vector<float> x = arrays.normals(std::int64_t{4} * 45, 1.0);
            x[5] = std::numeric_limits<float>::quiet_NaN();
            x[100] = std::numeric_limits<float>::infinity();
            return GroupGemv{
                .x = arrays.given("x", {4, 45}, x),
                .packed = randomCodes(arrays, 10, 45, 3),
                .scale = scales(arrays, 10, 2),
                .zero = zeros(arrays, 10, 2, 3),
                .bits = 3,
                .groupSize = 32,
                .y = arrays.output("y", {4, 10}, DType::F32, kBound)};
        });
}

/// Scale times a small integer is exact, so every kernel gives the same bits.
void addDequantize(
    std::vector<Check>& checks, std::int64_t group, const PackedShape& shape,
    CaseOptions options = {}) {
    addCase<GroupDequantize>(
        checks, "group_dequantize",
        shape.text() + groupText(group) + (options.shifted ? " shifted" : ""),
        [group, shape](Arrays& arrays) {
            const std::int64_t groups = groupsOf(group, shape.in);
            return GroupDequantize{
                .packed = randomCodes(arrays, shape.out, shape.in, shape.bits),
                .scale = scales(arrays, shape.out, groups),
                .zero = zeros(arrays, shape.out, groups, shape.bits),
                .bits = shape.bits,
                .groupSize = group,
                .rowFrom = shape.from,
                .w = arrays.output("w", {shape.count, shape.in}, DType::F32)};
        },
        options);
}

} // namespace

void addGroupGemvCases(std::vector<Check>& checks) {
    addGemvCases(checks);
    for (int bits = 1; bits <= 8; ++bits) {
        addDequantize(checks, 0, {bits, 1, 1, 0, 1});
        addDequantize(checks, 0, {bits, 23, 515, 0, 23});
        addDequantize(checks, 32, {bits, 23, 77, 5, 11});
        addDequantize(checks, 64, {bits, 9, 133, 8, 1}, {.shifted = true});
        addDequantize(checks, 128, {bits, 3, 16411, 0, 3});
        addDequantize(checks, 7, {bits, 12, 100, 3, 9});
        addDequantize(checks, 33, {bits, 12, 100, 0, 12});
        addDequantize(checks, 128, {bits, 6, 77, 0, 6});
    }
    addDequantize(checks, 32, {4, 5, 64, 2, 0}, {.throughRun = true});
}

} // namespace lathe::conformance
