// SPDX-License-Identifier: Apache-2.0
#include "kernels/ops/transpose/transpose.h"
#include "tests/conformance/cases.h"

namespace lathe::conformance {

namespace {

void addShape(std::vector<Check>& checks, DType dtype, Shape shape, CaseOptions options = {}) {
    addCase<Transpose>(
        checks, "transpose",
        std::string(nameOf(dtype)) + " " + shape.text() + (options.shifted ? " shifted" : ""),
        [dtype, shape](Arrays& arrays) {
            return Transpose{
                .x = arrays.weights("x", shape, dtype),
                .y = arrays.output("y", {shape[1], shape[0]}, DType::F32)};
        },
        options);
}

} // namespace

void addTransposeCases(std::vector<Check>& checks) {
    for (const DType dtype : {DType::F32, DType::F16, DType::BF16}) {
        addShape(checks, dtype, {1, 1});
        addShape(checks, dtype, {1, 77});
        addShape(checks, dtype, {77, 1});
        addShape(checks, dtype, {16, 16});
        addShape(checks, dtype, {33, 45}, {.shifted = true});
        addShape(checks, dtype, {255, 704});
        addShape(checks, dtype, {1030, 1100}); // more tiles than a GPU has blocks
        addShape(checks, dtype, {0, 5}, {.throughRun = true});
    }
}

} // namespace lathe::conformance
