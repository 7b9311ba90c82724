// SPDX-License-Identifier: Apache-2.0
#include "kernels/ops/embedding/embedding.h"
#include "tests/conformance/cases.h"

namespace lathe::conformance {

namespace {

struct Sizes {
    std::int64_t vocabulary = 1, cols = 1, tokens = 1;
};

void addSizes(std::vector<Check>& checks, DType dtype, Sizes sizes, CaseOptions options = {}) {
    const Shape shape{sizes.vocabulary, sizes.cols};
    addCase<Embedding>(
        checks, "embedding",
        std::string(nameOf(dtype)) + " " + shape.text() + " tokens " +
            std::to_string(sizes.tokens) + (options.shifted ? " shifted" : ""),
        [=](Arrays& arrays) {
            return Embedding{
                .table = arrays.weights("table", shape, dtype),
                .ids = arrays.integers(
                    "ids", {sizes.tokens}, 0, static_cast<std::int32_t>(sizes.vocabulary - 1)),
                // Widening is exact: no error at all.
                .y = arrays.output("y", {sizes.tokens, sizes.cols}, DType::F32, 0.0)};
        },
        options);
}

} // namespace

void addEmbeddingCases(std::vector<Check>& checks) {
    for (const DType dtype : {DType::F32, DType::F16, DType::BF16}) {
        addSizes(checks, dtype, {1, 1, 1});
        addSizes(checks, dtype, {50, 19, 7}, {.shifted = true});
        addSizes(checks, dtype, {300, 256, 200});
        addSizes(checks, dtype, {4, 16, 0}, {.throughRun = true});
    }
    addCase<Embedding>(checks, "embedding", "F16 subnormal, infinite, NaN", [](Arrays& arrays) {
        const std::vector<Half> table{{0x0001}, {0x83FF}, {0x7C00}, {0xFC00}, {0x7E01}, {0x8000}};
        return Embedding{
            .table = arrays.given("table", {2, 3}, table),
            .ids = arrays.given<std::int32_t>("ids", {2}, {1, 0}),
            .y = arrays.output("y", {2, 3}, DType::F32, 0.0)};
    });
}

} // namespace lathe::conformance
