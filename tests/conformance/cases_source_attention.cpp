// SPDX-License-Identifier: Apache-2.0
#include "kernels/ops/source_attention/source_attention.h"
#include "kernels/ops/step_attention/step_attention.h"
#include "kernels/ops/step_product/step_product.h"
#include "tests/conformance/cases.h"

#include <algorithm>
#include <cmath>
#include <cstring>

namespace lathe::conformance {

namespace {

struct Source {
    std::string name;
    DType dtype = DType::F16;
    std::int64_t rows = 1, in = 64, heads = 2, headDim = 32, capacity = 32;
    std::int32_t length = 13;
    bool normed = true;
};

/// What one way of computing it leaves in y.
class Attended {
public:
    Attended(ExecContext& context, const Source& source)
        : m_context(context), m_arrays(context, std::hash<std::string>{}(source.name), false) {
        const std::int64_t wide = source.heads * source.headDim;
        const Shape cache{source.capacity, source.heads, source.headDim};
        m_op = {
            .x = m_arrays.floats("x", {source.rows, source.in}),
            .gamma = source.normed ? m_arrays.floats("gamma", {source.in}) : ConstView{},
            .w = m_arrays.weights("w", {wide, source.in}, source.dtype, 0.1),
            .length = m_arrays.given<std::int32_t>("length", {1}, {source.length}),
            .keys = m_arrays.updated("keys", cache, 0.0),
            .values = m_arrays.updated("values", cache, 0.0),
            .y = m_arrays.output("y", {source.rows, source.heads, source.headDim}, DType::F32)};
    }
    const SourceAttention& op() const { return m_op; }

    std::vector<float> together() {
        run(m_context, m_op);
        return result();
    }
    std::vector<float> byParts() {
        Tensor q = Tensor::empty(m_op.y.shape, DType::F32, m_context.device());
        run(m_context, StepProduct{
                           .x = m_op.x,
                           .gamma = m_op.gamma,
                           .epsilon = m_op.epsilon,
                           .w = m_op.w,
                           .y = q.view().reshaped({m_op.x.shape[0], m_op.w.shape[0]})});
        const auto unwritten = [](ConstView view) {
            return TensorView{
                const_cast<std::byte*>(view.data), view.shape, view.dtype, view.device};
        };
        run(m_context, StepAttention{
                           .q = q.constView(),
                           .length = m_op.length,
                           .keys = unwritten(m_op.keys),
                           .values = unwritten(m_op.values),
                           .y = m_op.y});
        return result();
    }

private:
    std::vector<float> result() const {
        std::vector<float> values(static_cast<std::size_t>(m_op.y.elementCount()));
        copy(m_context, m_op.y, viewOf(std::span(values), m_op.y.shape));
        return values;
    }

    ExecContext& m_context;
    Arrays m_arrays;
    SourceAttention m_op;
};

std::string differenceOf(const std::vector<float>& got, const std::vector<float>& wanted) {
    if (std::memcmp(got.data(), wanted.data(), wanted.size() * sizeof(float)) == 0) {
        return {};
    }
    const auto [one, other] = std::ranges::mismatch(
        got, wanted, [](float a, float b) { return std::memcmp(&a, &b, sizeof a) == 0; });
    return "element " + std::to_string(one - got.begin()) + " is " + std::to_string(*one) + ", " +
           std::to_string(*other) + " by the ops that it is made of";
}

/// Bit for bit what the ops give that it is made of; where a GPU has no room, an error.
std::vector<Outcome> attended(Machine& machine, const Source& source, bool isNumber) {
    std::vector<Outcome> outcomes;
    for (const Target target : {Target::Scalar, Target::Cuda}) {
        ExecContext* context = machine.find(target);
        if (context == nullptr) {
            continue;
        }
        Attended attention(*context, source);
        Outcome outcome{.kernel = std::string(nameOf(target)), .target = target, .failure = {}};
        const std::vector<float> parts = attention.byParts();
        if (std::ranges::any_of(parts, [](float y) { return std::isnan(y); }) == isNumber) {
            outcome.failure = isNumber ? "some are no numbers" : "some are numbers";
        } else if (target == Target::Scalar || attendsInOneLaunch(*context, attention.op())) {
            outcome.failure = differenceOf(attention.together(), parts);
            if (target == Target::Scalar && attendsInOneLaunch(*context, attention.op())) {
                outcome.failure = "a processor launches nothing";
            }
        } else {
            outcome.kernel = "cuda, no room";
            outcome.failure = "runs what it has no room for";
            try {
                static_cast<void>(attention.together());
            } catch (const Unsupported&) {
                outcome.failure.clear();
            }
        }
        outcomes.push_back(outcome);
    }
    return outcomes;
}

void addSource(std::vector<Check>& checks, const Source& source, bool isNumber = true) {
    checks.push_back({"source_attention", source.name, [source, isNumber](Machine& machine) {
                          return attended(machine, source, isNumber);
                      }});
}

} // namespace

void addSourceAttentionCases(std::vector<Check>& checks) {
    const Source large{
        .name = "T5-large", .in = 1024, .heads = 16, .headDim = 64, .capacity = 64, .length = 64};
    addSource(checks, large);
    Source some = large;
    some.name = "T5-large, 8 rows", some.rows = 8, some.length = 37;
    addSource(checks, some);
    some.name = "T5-large, more rows than fit", some.rows = 12;
    addSource(checks, some);
    some.name = "T5-large, a source that does not fit", some.rows = 1, some.capacity = 512;
    addSource(checks, some);
    addSource(checks, {.name = "one segment, bf16", .dtype = DType::BF16, .rows = 3});
    addSource(checks, {.name = "f32", .dtype = DType::F32});
    addSource(checks, {.name = "no norm", .in = 512, .normed = false});
    addSource(
        checks,
        {.name = "odd sizes", .rows = 5, .in = 1000, .heads = 3, .headDim = 36, .capacity = 21});
    addSource(
        checks,
        {.name = "four segments", .in = 2048, .headDim = 40, .capacity = 128, .length = 99});
    addSource(
        checks, {.name = "eight segments", .in = 4096, .headDim = 8, .capacity = 8, .length = 8});
    addSource(checks, {.name = "longer rows", .in = 4104, .headDim = 8});
    addSource(checks, {.name = "wide heads", .in = 128, .headDim = 128, .capacity = 130});
    addSource(
        checks, {.name = "many keys", .in = 64, .headDim = 16, .capacity = 1200, .length = 1199});
    addSource(checks, {.name = "one key", .length = 1});
    addSource(checks, {.name = "no key", .length = 0}, false);
    addSource(checks, {.name = "more keys than memory", .length = 33}, false);
}

} // namespace lathe::conformance
