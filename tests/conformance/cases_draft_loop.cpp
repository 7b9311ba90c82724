// SPDX-License-Identifier: Apache-2.0
#include "kernels/ops/draft_loop/draft_loop.h"
#include "tests/conformance/cases.h"

#include <algorithm>
#include <bit>
#include <cstring>

namespace lathe::conformance {

namespace {

/// A decoder, a text in the making and how far its draft goes.
struct Draft {
    std::string name;
    DType dtype = DType::F16;
    int layers = 1;
    std::int64_t hidden = 128, heads = 4, headDim = 32, inner = 192, vocabulary = 2048;
    std::int64_t columns = 2048, capacity = 64, sourceCapacity = 32;
    std::int64_t positions = 0, sourcePositions = 0;
    DraftLoop::Activation activation = DraftLoop::Activation::Relu;
    bool tied = true;
    std::int32_t length = 0, fed = 1, count = 0, source = 13, most = 6;
    float threshold = 0.0F;
    std::vector<std::int32_t> ends{};
    int least = 8; ///< blocks of clusters that hold it
};

constexpr std::int64_t kTokens = 5, kRows = 8;

/// One run: its memory and what it leaves in integers.
struct Ran {
    Ran(ExecContext& context, std::uint64_t seed) : arrays(context, seed, false) {}
    Arrays arrays;
    std::vector<std::int32_t> integers; ///< state, ids, rows
    int offered = 0;                    ///< blocks of a cluster that the GPU has for it
};

DraftLoop::Layer layerOf(Arrays& arrays, const Draft& draft, int index) {
    const std::int64_t wide = draft.heads * draft.headDim;
    const std::string at = std::to_string(index);
    const auto norm = [&](const char* name) { return arrays.floats(name + at, {draft.hidden}); };
    const auto matrix = [&](const char* name, std::int64_t out, std::int64_t in) {
        return arrays.weights(name + at, {out, in}, draft.dtype, 0.1);
    };
    const bool gated = draft.activation != DraftLoop::Activation::Relu;
    const Shape cache{draft.capacity, draft.heads, draft.headDim};
    const Shape source{draft.sourceCapacity, draft.heads, draft.headDim};
    return {
        .selfNorm = norm("self norm "),
        .sourceNorm = norm("source norm "),
        .innerNorm = norm("inner norm "),
        .q = matrix("q ", wide, draft.hidden),
        .k = matrix("k ", wide, draft.hidden),
        .v = matrix("v ", wide, draft.hidden),
        .o = matrix("o ", draft.hidden, wide),
        .sourceQ = matrix("source q ", wide, draft.hidden),
        .sourceO = matrix("source o ", draft.hidden, wide),
        .in = matrix("in ", draft.inner, draft.hidden),
        .up = gated ? matrix("up ", draft.inner, draft.hidden) : ConstView{},
        .out = matrix("out ", draft.hidden, draft.inner),
        .keys = arrays.updated("keys " + at, cache, 0.0),
        .values = arrays.updated("values " + at, cache, 0.0),
        .sourceKeys = arrays.floats("source keys " + at, source),
        .sourceValues = arrays.floats("source values " + at, source)};
}

/// @param blocks of a GPU's cluster; 0: by way of the ops that it is made of
std::unique_ptr<Ran> ranBy(ExecContext& context, const Draft& draft, int blocks) {
    auto ran = std::make_unique<Ran>(context, std::hash<std::string>{}(draft.name));
    Arrays& arrays = ran->arrays;
    std::vector<std::int32_t> limits(DraftStep::kLimitSize, 0);
    limits[DraftStep::Most] = draft.most;
    limits[DraftStep::Threshold] = std::bit_cast<std::int32_t>(draft.threshold);
    limits[DraftStep::EndCount] = static_cast<std::int32_t>(draft.ends.size());
    std::ranges::copy(draft.ends, limits.begin() + DraftStep::Ends);
    const auto moved = [&](Shape shape, const std::vector<std::int32_t>& from) {
        Tensor tensor = Tensor::empty(shape, DType::I32, context.device());
        copy(context, constViewOf(std::span(from), shape), tensor.view());
        return tensor;
    };
    Tensor state = moved({DraftStep::kStateSize}, {draft.length, draft.fed, draft.count, 7});
    Tensor ids = moved({kTokens}, {3, 17, 42, 5, 61});
    Tensor rows = moved({kRows, 4}, std::vector<std::int32_t>(4 * kRows, -9));
    const Shape table{draft.vocabulary, draft.hidden};
    DraftLoop op{
        .embedding = arrays.weights("embedding", table, draft.dtype, 0.5),
        .finalNorm = arrays.floats("final norm", {draft.hidden}, 0.3),
        .bias = arrays.floats("bias", {draft.heads, draft.capacity + 7}),
        .biasOrigin = draft.capacity + 2,
        .activation = draft.activation,
        .columns = draft.columns,
        .sourceLength = arrays.given<std::int32_t>("source length", {1}, {draft.source}),
        .limits = arrays.given("limits", {DraftStep::kLimitSize}, limits),
        .state = state.view(),
        .ids = ids.view(),
        .rows = rows.view(),
        .positions = draft.positions,
        .sourcePositions = draft.sourcePositions,
        .blocks = blocks};
    op.head = draft.tied ? op.embedding : arrays.weights("head", table, draft.dtype, 0.5);
    for (int i = 0; i < draft.layers; ++i) {
        op.layers.push_back(layerOf(arrays, draft, i));
    }
    ran->offered = draftLoopBlocks(context, op);
    if (blocks > 0) {
        run(context, op);
    } else {
        kernelsOf<DraftLoop>().back().launch(context, op);
    }
    for (const Tensor* tensor : {&state, &ids, &rows}) {
        const ConstView view = tensor->constView();
        std::vector<std::int32_t> part(static_cast<std::size_t>(view.elementCount()));
        copy(context, view, viewOf(std::span(part), view.shape));
        ran->integers.insert(ran->integers.end(), part.begin(), part.end());
    }
    return ran;
}

std::string differenceOf(Ran& got, Ran& wanted) {
    for (Ran* ran : {&wanted, &got}) {
        if (const std::string damage = ran->arrays.collect(); !damage.empty()) {
            return damage;
        }
    }
    if (got.integers != wanted.integers) {
        const auto at = std::ranges::mismatch(got.integers, wanted.integers).in1;
        return "word " + std::to_string(at - got.integers.begin()) + " of state, ids and rows is " +
               std::to_string(*at) + "; " + std::to_string(got.integers[DraftStep::Count]) +
               " rows, " + std::to_string(wanted.integers[DraftStep::Count]) + " wanted";
    }
    return got.arrays.equals(wanted.arrays) ? "" : "keys or values differ";
}

/// One launch against the ops one after the other, bit for bit, and the tokens of both against
/// those of the processor.
std::vector<Outcome> drafted(Machine& machine, const Draft& draft, std::int32_t wanted) {
    const auto reference = ranBy(machine.scalar(), draft, 0);
    Outcome scalar{.kernel = "scalar", .target = Target::Scalar, .failure = {}};
    if (reference->integers[DraftStep::Count] != wanted) {
        scalar.failure = std::to_string(reference->integers[DraftStep::Count]) + " rows, " +
                         std::to_string(wanted) + " are known to be made";
    }
    std::vector<Outcome> outcomes{scalar};
    ExecContext* context = machine.find(Target::Cuda);
    if (context == nullptr) {
        return outcomes;
    }
    const auto parts = ranBy(*context, draft, 0);
    Outcome outcome{.kernel = "cuda parts", .target = Target::Cuda, .failure = {}};
    constexpr std::size_t kFirstRow = DraftStep::kStateSize + kTokens;
    for (std::size_t i = 0; i < parts->integers.size(); ++i) {
        const bool isFloat = i >= kFirstRow && (i - kFirstRow) % 4 != 0;
        if (!isFloat && parts->integers[i] != reference->integers[i]) {
            outcome.failure = "word " + std::to_string(i) + " differs from the scalar one";
        }
    }
    outcomes.push_back(outcome);
    if (parts->offered == 0) { // a GPU without clusters, or with too little memory
        outcome = {.kernel = "cuda", .target = Target::Cuda, .failure = "runs what it cannot hold"};
        try {
            ranBy(*context, draft, 16);
        } catch (const Unsupported&) {
            outcome.failure.clear();
        }
        outcomes.push_back(outcome);
    }
    for (int blocks = draft.least; blocks <= parts->offered; blocks *= 2) {
        outcome = {
            .kernel = "cuda " + std::to_string(blocks), .target = Target::Cuda, .failure = {}};
        outcome.failure = differenceOf(*ranBy(*context, draft, blocks), *parts);
        outcomes.push_back(outcome);
    }
    return outcomes;
}

void addDraft(std::vector<Check>& checks, const Draft& draft, std::int32_t wanted) {
    checks.push_back({"draft_loop", draft.name, [draft, wanted](Machine& machine) {
                          return drafted(machine, draft, wanted);
                      }});
}

} // namespace

void addDraftLoopCases(std::vector<Check>& checks) {
    using Activation = DraftLoop::Activation;
    addDraft(checks, {.name = "the bundled shape"}, 6);
    addDraft(checks, {.name = "in a text", .length = 17, .fed = 3, .count = 1, .most = 5}, 5);
    addDraft(
        checks,
        {.name = "bf16, padded, own head", .dtype = DType::BF16, .columns = 1990, .tied = false},
        6);
    addDraft(
        checks,
        {.name = "f32, two layers, gelu",
         .dtype = DType::F32,
         .layers = 2,
         .hidden = 64,
         .headDim = 24,
         .inner = 128,
         .vocabulary = 212,
         .columns = 200,
         .activation = Activation::GatedGelu,
         .length = 30,
         .fed = 2},
        6);
    addDraft(
        checks,
        {.name = "three heads, silu",
         .layers = 2,
         .hidden = 40,
         .heads = 3,
         .headDim = 40,
         .inner = 72,
         .vocabulary = 100,
         .columns = 100,
         .activation = Activation::GatedSilu},
        6);
    addDraft(
        checks,
        {.name = "more heads than blocks",
         .hidden = 96,
         .heads = 18,
         .headDim = 8,
         .vocabulary = 1100,
         .columns = 1100},
        6);
    addDraft(
        checks,
        {.name = "rows of several segments",
         .hidden = 520,
         .heads = 2,
         .headDim = 8,
         .inner = 552,
         .vocabulary = 300,
         .columns = 300,
         .least = 16},
        6);
    addDraft(
        checks,
        {.name = "a long text",
         .hidden = 64,
         .heads = 2,
         .headDim = 16,
         .vocabulary = 64,
         .columns = 64,
         .capacity = 512,
         .sourceCapacity = 300,
         .length = 290,
         .source = 299},
        6);
    addDraft(checks, {.name = "to the end of the cache", .length = 59, .fed = 2}, 4);
    addDraft(
        checks,
        {.name = "the front of large caches",
         .capacity = 4000,
         .sourceCapacity = 3000,
         .positions = 24,
         .sourcePositions = 14,
         .length = 20},
        4);
    addDraft(checks, {.name = "one step", .threshold = 1.0F}, 1);
    addDraft(checks, {.name = "no row left", .count = 8}, 8);
    addDraft(checks, {.name = "nothing fed", .fed = 0}, 0);
    addDraft(checks, {.name = "too much fed", .fed = 6}, 0);
    addDraft(checks, {.name = "no room", .length = 63, .fed = 2}, 0);
    addDraft(checks, {.name = "no source", .source = 0}, 0);
    addDraft(checks, {.name = "a source behind its memory", .source = 33}, 0);
}

} // namespace lathe::conformance
