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

/// One way of computing it, with its memory.
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
            .keys = m_arrays.floats("keys", cache),
            .values = m_arrays.floats("values", cache),
            .y = m_arrays.output("y", {source.rows, source.heads, source.headDim}, DType::F32)};
    }
    const SourceAttention& op() const { return m_op; }

    void together() { run(m_context, m_op); }
    void byParts() {
        Tensor q = Tensor::empty(m_op.y.shape, DType::F32, m_context.device());
        run(m_context, StepProduct{
                           .x = m_op.x,
                           .gamma = m_op.gamma,
                           .epsilon = m_op.epsilon,
                           .w = m_op.w,
                           .y = q.view().reshaped({m_op.x.shape[0], m_op.w.shape[0]})});
        run(m_context, StepAttention{
                           .q = q.constView(),
                           .length = m_op.length,
                           .keys = unwritten(m_op.keys),
                           .values = unwritten(m_op.values),
                           .y = m_op.y});
    }
    std::vector<float> result() const {
        std::vector<float> values(static_cast<std::size_t>(m_op.y.elementCount()));
        copy(m_context, m_op.y, viewOf(std::span(values), m_op.y.shape));
        return values;
    }
    std::string damage() { return m_arrays.collect(); }

private:
    ExecContext& m_context;
    Arrays m_arrays;
    SourceAttention m_op;
};

std::string differenceOf(Attended& got, Attended& wanted) {
    for (Attended* one : {&got, &wanted}) {
        if (std::string damage = one->damage(); !damage.empty()) {
            return damage;
        }
    }
    const std::vector<float> a = got.result(), b = wanted.result();
    const auto [one, other] = std::ranges::mismatch(
        a, b, [](float x, float y) { return std::memcmp(&x, &y, sizeof x) == 0; });
    return one == a.end()
               ? ""
               : "element " + std::to_string(one - a.begin()) + " is " + std::to_string(*one) +
                     ", " + std::to_string(*other) + " by the ops that it is made of";
}

/// @param kernel gets a word where a GPU does not take it
std::string
failureOf(ExecContext& context, const Source& source, bool isNumber, std::string& kernel) {
    Attended parts(context, source), together(context, source);
    parts.byParts();
    for (const float y : parts.result()) {
        if (std::isnan(y) == isNumber) {
            return isNumber ? "some are no numbers" : "some are numbers";
        }
    }
    const bool isGpu = context.device().isCuda();
    if (!isGpu && attendsInOneLaunch(context, together.op())) {
        return "a processor launches nothing";
    }
    if (!isGpu || attendsInOneLaunch(context, together.op())) {
        together.together();
        return differenceOf(together, parts);
    }
    kernel += " refuses";
    try {
        together.together();
    } catch (const Unsupported&) {
        return "";
    }
    return "runs what it does not take";
}

/// Bit for bit what the ops give that it is made of; where a GPU does not take it, an error.
std::vector<Outcome> attended(Machine& machine, const Source& source, bool isNumber) {
    std::vector<Outcome> outcomes;
    for (const Target target : {Target::Scalar, Target::Cuda}) {
        ExecContext* context = machine.find(target);
        if (context != nullptr) {
            Outcome& outcome = outcomes.emplace_back(
                Outcome{.kernel = std::string(nameOf(target)), .target = target, .failure = {}});
            outcome.failure = failureOf(*context, source, isNumber, outcome.kernel);
        }
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
    some.name = "T5-large, 4 rows", some.rows = 4;
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
    Source many{
        .name = "several times eight outputs a warp",
        .rows = 12,
        .in = 600,
        .heads = 8,
        .headDim = 128,
        .capacity = 32};
    addSource(checks, many);
    many.name = "several rows without a key", many.length = 0;
    addSource(checks, many, false);
    addSource(checks, {.name = "one key", .length = 1});
    addSource(checks, {.name = "no key", .length = 0}, false);
    addSource(checks, {.name = "more keys than memory", .length = 33}, false);
}

} // namespace lathe::conformance
