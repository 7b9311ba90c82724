// SPDX-License-Identifier: Apache-2.0
#include "kernels/core/captured_graph.h"
#include "kernels/ops/draft_step/draft_step.h"
#include "tests/conformance/cases.h"

#include <array>
#include <bit>
#include <cmath>

namespace lathe::conformance {

namespace {

struct Step {
    std::int32_t fed = 1, count = 0, most = 5;
    float threshold = 0.5F;
    std::vector<std::int32_t> ends{};
    std::vector<double> confidences{0.9};
};

constexpr std::int64_t kRows = 6;

std::vector<std::int32_t> limitsOf(const Step& step) {
    std::vector<std::int32_t> limits(DraftStep::kLimitSize, 0);
    limits[DraftStep::Most] = step.most;
    limits[DraftStep::Threshold] = std::bit_cast<std::int32_t>(step.threshold);
    limits[DraftStep::EndCount] = static_cast<std::int32_t>(step.ends.size());
    std::ranges::copy(step.ends, limits.begin() + DraftStep::Ends);
    return limits;
}

/// State, next token and rows behind one step, as every target leaves them.
std::vector<std::int32_t> behind(ExecContext& context, const Step& step) {
    std::vector<std::int32_t> state{40, step.fed, step.count, 7};
    std::vector<std::int32_t> argmax;
    std::vector<float> values;
    for (std::size_t i = 0; i < step.confidences.size(); ++i) {
        argmax.push_back(static_cast<std::int32_t>(100 + i));
        const double logSum = 20.5;
        values.push_back(static_cast<float>(logSum + std::log(step.confidences[i])));
        values.push_back(static_cast<float>(logSum));
        values.push_back(0.0F);
    }
    const auto rows = static_cast<std::int64_t>(argmax.size());
    Arrays arrays(context, 1, false);
    const auto moved = [&](Shape shape, const std::vector<std::int32_t>& from) {
        Tensor tensor = Tensor::empty(shape, DType::I32, context.device());
        copy(context, constViewOf(std::span(from), shape), tensor.view());
        return tensor;
    };
    Tensor stateTensor = moved({DraftStep::kStateSize}, state);
    Tensor id = moved({1}, {-5});
    Tensor log = moved({kRows, 4}, std::vector<std::int32_t>(4 * kRows, -9));
    run(context, DraftStep{
                     .argmax = arrays.given("argmax", {rows}, argmax),
                     .values = arrays.given("values", {rows, 3}, values),
                     .limits = arrays.given("limits", {DraftStep::kLimitSize}, limitsOf(step)),
                     .state = stateTensor.view(),
                     .id = id.view(),
                     .rows = log.view()});
    std::vector<std::int32_t> all;
    for (const Tensor* tensor : {&stateTensor, &id, &log}) {
        const ConstView view = tensor->constView();
        std::vector<std::int32_t> part(static_cast<std::size_t>(view.elementCount()));
        copy(context, view, viewOf(std::span(part), view.shape));
        all.insert(all.end(), part.begin(), part.end());
    }
    return all;
}

void addStep(
    std::vector<Check>& checks, const std::string& name, const Step& step,
    std::array<std::int32_t, 5> wanted) {
    checks.push_back(
        {"draft_step", name, [step, wanted](Machine& machine) {
             std::vector<Outcome> outcomes;
             const std::vector<std::int32_t> reference = behind(machine.scalar(), step);
             for (const Target target : {Target::Scalar, Target::Cuda}) {
                 ExecContext* context = machine.find(target);
                 if (context == nullptr) {
                     continue;
                 }
                 Outcome outcome{
                     .kernel = std::string(nameOf(target)), .target = target, .failure = {}};
                 const std::vector<std::int32_t> got = behind(*context, step);
                 if (!std::equal(wanted.begin(), wanted.end(), got.begin())) {
                     outcome.failure = "length, fed, count, go, id are";
                     for (std::size_t i = 0; i < wanted.size(); ++i) {
                         outcome.failure += " " + std::to_string(got[i]);
                     }
                 } else if (got != reference) {
                     outcome.failure = "the rows differ from the reference's";
                 }
                 outcomes.push_back(outcome);
             }
             return outcomes;
         }});
}

/// Counts to a limit in a loop on the device, again and again.
std::vector<Outcome> loops(Machine& machine) {
    ExecContext* context = machine.find(Target::Cuda);
    if (context == nullptr || !CapturedGraph::isAvailable(*context)) {
        return {};
    }
    Arrays arrays(*context, 1, false);
    const ConstView argmax = arrays.given<std::int32_t>("argmax", {1}, {3});
    const ConstView values = arrays.given<float>("values", {1, 3}, {1.0F, 1.01F, 0.0F});
    Tensor limits = Tensor::empty({DraftStep::kLimitSize}, DType::I32, context->device());
    Tensor state = Tensor::empty({DraftStep::kStateSize}, DType::I32, context->device());
    Tensor id = Tensor::empty({1}, DType::I32, context->device());
    Tensor rows = Tensor::empty({kRows, 4}, DType::I32, context->device());
    const auto step = [&] {
        run(*context, DraftStep{
                          .argmax = argmax,
                          .values = values,
                          .limits = limits.view(),
                          .state = state.view(),
                          .id = id.view(),
                          .rows = rows.view()});
    };
    put(*context, std::array<std::int32_t, 4>{}, state.view());
    step(); // loads the kernel
    const auto graph = CapturedGraph::recordLoop(
        *context, step, step, state.view().slice(DraftStep::Go, DraftStep::Go + 1));
    Outcome outcome{.kernel = "cuda loop", .target = Target::Cuda, .failure = {}};
    for (const std::int32_t most : {1, 4, 2, 6}) {
        put(*context, limitsOf({.most = most}), limits.view());
        put(*context, std::array<std::int32_t, 4>{10, 1, 0, 0}, state.view());
        graph->replay(*context);
        std::array<std::int32_t, 4> got{};
        copy(*context, state.view(), viewOf(std::span<std::int32_t>(got), {4}));
        if (got != std::array<std::int32_t, 4>{10 + most, 1, most, 0}) {
            outcome.failure = "a loop of " + std::to_string(most) + " steps made " +
                              std::to_string(got[DraftStep::Count]);
        }
    }
    return {outcome};
}

} // namespace

void addDraftStepCases(std::vector<Check>& checks) {
    addStep(checks, "goes on", {}, {41, 1, 1, 1, 100});
    addStep(
        checks, "last of the rows that were fed",
        {.fed = 3, .count = 2, .confidences = {0.1, 0.2, 0.8, 0.1}}, {43, 1, 3, 1, 102});
    addStep(checks, "too unsure", {.confidences = {0.49}}, {41, 1, 1, 0, 100});
    addStep(
        checks, "always hands over", {.threshold = 1.0F, .confidences = {1.0}}, {41, 1, 1, 0, 100});
    addStep(
        checks, "never hands over", {.threshold = 0.0F, .confidences = {1e-9}}, {41, 1, 1, 1, 100});
    addStep(checks, "an end", {.ends = {7, 100}}, {41, 1, 1, 0, 100});
    addStep(checks, "enough", {.count = 4}, {41, 1, 5, 0, 100});
    addStep(checks, "no room for more rows", {.count = 5, .most = 99}, {41, 1, 6, 0, 100});
    addStep(checks, "not a number", {.confidences = {std::nan("")}}, {41, 1, 1, 0, 100});
    addStep(checks, "a state out of range", {.fed = 2}, {40, 2, 0, 0, -5});
    addStep(checks, "no row left", {.count = 6, .most = 99}, {40, 1, 6, 0, -5});
    checks.push_back({"draft_step", "a loop on the device", loops});
}

} // namespace lathe::conformance
