// SPDX-License-Identifier: Apache-2.0
#include "kernels/ops/step_product/step_product.h"
#include "tests/conformance/cases.h"

#include <cstring>

namespace lathe::conformance {

namespace {

using Result = StepProduct::Result;

/// Sums of up to 5000 products in any order, and a norm that is multiplied in behind them.
constexpr double kBound = 6e-6;

struct Sizes {
    std::int64_t rows = 1, in = 1, out = 1;
    bool norm = false;
    Result result = Result::Store;
};

std::string nameOf(DType dtype, const Sizes& sizes) {
    static constexpr const char* kResults[] = {"", " relu", " add"};
    return std::string(lathe::nameOf(dtype)) + " rows " + std::to_string(sizes.rows) + " in " +
           std::to_string(sizes.in) + " out " + std::to_string(sizes.out) +
           (sizes.norm ? " norm" : "") + kResults[static_cast<int>(sizes.result)];
}

void addSizes(std::vector<Check>& checks, DType dtype, Sizes sizes, CaseOptions options = {}) {
    addCase<StepProduct>(
        checks, "step_product", nameOf(dtype, sizes) + (options.shifted ? " shifted" : ""),
        [dtype, sizes](Arrays& arrays) {
            StepProduct op{
                .x = arrays.floats("x", {sizes.rows, sizes.in}),
                .w = arrays.weights("w", {sizes.out, sizes.in}, dtype, 0.1),
                .result = sizes.result,
                .y = {}};
            if (sizes.norm) {
                op.gamma = arrays.floats("gamma", {sizes.in});
            }
            op.y = sizes.result == Result::Add
                       ? arrays.updated("y", {sizes.rows, sizes.out}, kBound)
                       : arrays.output("y", {sizes.rows, sizes.out}, DType::F32, kBound);
            return op;
        },
        options);
}

/// Rows of calls of every width against the same rows one by one.
std::vector<Outcome> rowsAreAlone(Machine& machine, DType dtype, std::int64_t out, Result result) {
    constexpr std::int64_t kIn = 520, kRows = 14;
    std::vector<Outcome> outcomes;
    for (const Target target : {Target::Cuda, Target::Scalar}) {
        ExecContext* context = machine.find(target);
        if (context == nullptr) {
            continue;
        }
        Arrays arrays(*context, 11, false);
        const ConstView x = arrays.floats("x", {kRows, kIn}), gamma = arrays.floats("gamma", {kIn});
        const ConstView w = arrays.weights("w", {out, kIn}, dtype);
        const ConstView start = arrays.floats("start", {kRows, out});
        const TensorView y = arrays.output("y", {kRows, out}, DType::F32);
        const auto rowsOf = [&](std::int64_t together) {
            copy(*context, start, y);
            for (std::int64_t from = 0; from < kRows; from += together) {
                const std::int64_t to = std::min(kRows, from + together);
                run(*context, StepProduct{
                                  .x = x.slice(from, to),
                                  .gamma = gamma,
                                  .w = w,
                                  .result = result,
                                  .y = y.slice(from, to)});
            }
            std::vector<float> rows(static_cast<std::size_t>(kRows * out));
            copy(*context, y, viewOf(std::span(rows), y.shape));
            return rows;
        };
        const std::vector<float> alone = rowsOf(1);
        Outcome outcome{.kernel = std::string(nameOf(target)), .target = target, .failure = {}};
        for (std::int64_t together = 2; together <= kRows; ++together) {
            const std::vector<float> rows = rowsOf(together);
            if (std::memcmp(rows.data(), alone.data(), rows.size() * sizeof(float)) != 0) {
                outcome.failure = std::to_string(together) + " rows differ from each alone";
            }
        }
        outcomes.push_back(outcome);
    }
    return outcomes;
}

} // namespace

void addStepProductCases(std::vector<Check>& checks) {
    for (const DType dtype : {DType::F32, DType::F16, DType::BF16}) {
        addSizes(checks, dtype, {1, 1, 1});
        addSizes(checks, dtype, {1, 5000, 9, true});
        addSizes(checks, dtype, {1, 1024, 1023, true, Result::Relu}, {.twice = true});
        for (const std::int64_t rows : {2, 3, 4, 5, 8, 9, 12, 13, 30}) {
            addSizes(checks, dtype, {rows, 264, 70, rows % 2 == 0, Result::Add});
            addSizes(checks, dtype, {rows, 96, 4099, rows % 2 == 1, Result::Relu});
        }
        addSizes(checks, dtype, {3, 77, 31, true});
        addSizes(checks, dtype, {5, 256, 40, true, Result::Add}, {.shifted = true});
        addSizes(checks, dtype, {0, 8, 8}, {.throughRun = true});
        // Matrices whose shares the multiprocessors of a GPU fetch ahead.
        for (const std::int64_t rows : {1, 2, 5, 8, 12}) {
            addSizes(checks, dtype, {rows, 1024, 1030, true, Result::Relu});
            addSizes(checks, dtype, {rows, 2824, 290, rows % 2 == 0, Result::Add});
        }
        addSizes(checks, dtype, {3, 264, 8000});
        addSizes(checks, dtype, {6, 1024, 3072, true});
        // 2000: those, of up to 12 rows.
        for (const std::int64_t out : {50, 2000, 5000}) {
            for (const Result result : {Result::Store, Result::Add}) {
                checks.push_back(
                    {"step_product",
                     std::string(lathe::nameOf(dtype)) + " rows are what each is alone, out " +
                         std::to_string(out) + (result == Result::Add ? " add" : ""),
                     [dtype, out, result](Machine& machine) {
                         return rowsAreAlone(machine, dtype, out, result);
                     }});
            }
        }
    }
}

} // namespace lathe::conformance
