// SPDX-License-Identifier: Apache-2.0
// What a DraftLoop takes, and how the memory of a block is shared out; its numbers are compared by
// the conformance cases.
#include "kernels/ops/draft_loop/draft_loop_plan.h"

#include "tests/support/lathe_test.h"

#include <array>

using namespace lathe;

namespace {

constexpr int kMostShared = 227 * 1024; ///< of a block on Hopper

/// A view that is never read.
ConstView shaped(Shape shape, DType dtype = DType::F16) {
    alignas(16) static std::byte nothing[16];
    return {nothing, shape, dtype, Device{}};
}
TensorView updated(Shape shape) {
    const ConstView view = shaped(shape, DType::F32);
    return {const_cast<std::byte*>(view.data), view.shape, view.dtype, view.device};
}

struct Sizes {
    int layers = 1;
    std::int64_t hidden = 128, heads = 4, headDim = 32, inner = 192, vocabulary = 2048;
    std::int64_t capacity = 64;
};

/// The bundled little translator, unless the sizes say otherwise.
DraftLoop loopOf(const Sizes& s) {
    const std::int64_t wide = s.heads * s.headDim;
    const ConstView norm = shaped({s.hidden}, DType::F32);
    const ConstView in = shaped({wide, s.hidden}), out = shaped({s.hidden, wide});
    const Shape cache{s.capacity, s.heads, s.headDim};
    DraftLoop loop{
        .embedding = shaped({s.vocabulary, s.hidden}),
        .head = shaped({s.vocabulary, s.hidden}),
        .finalNorm = norm,
        .columns = s.vocabulary};
    for (int i = 0; i < s.layers; ++i) {
        loop.layers.push_back(
            {.selfNorm = norm,
             .sourceNorm = norm,
             .innerNorm = norm,
             .q = in,
             .k = in,
             .v = in,
             .o = out,
             .sourceQ = in,
             .sourceO = out,
             .in = shaped({s.inner, s.hidden}),
             .up = {},
             .out = shaped({s.hidden, s.inner}),
             .keys = updated(cache),
             .values = updated(cache),
             .sourceKeys = shaped(cache, DType::F32),
             .sourceValues = shaped(cache, DType::F32)});
    }
    loop.ids = {nullptr, {12}, DType::I32, Device{}};
    loop.rows = {nullptr, {32, 4}, DType::I32, Device{}};
    return loop;
}

} // namespace

class DraftLoopTest : public QObject {
    Q_OBJECT
private slots:
    void theBundledDrafterFits();
    void weightsAreSharedOut();
    void otherShapesAreRefused();
    void positionsTakeMemory();
    void aProcessorHasNoCluster();
};

void DraftLoopTest::theBundledDrafterFits() {
    for (const int blocks : {8, 16}) {
        const auto plan = planDraftLoop(loopOf({}), blocks);
        QVERIFY(plan.has_value());
        QCOMPARE_LT(plan->bytes, kMostShared);
        QCOMPARE(plan->blockHeads, 1);
        QCOMPARE(plan->teams, 4);
        QCOMPARE(plan->blockHidden * blocks, 128);
        QCOMPARE(plan->groups * plan->groupColumns * blocks, 2048);
    }
    // A decoder of T5-small's size does not.
    const Sizes small{
        .layers = 4, .hidden = 512, .heads = 8, .headDim = 64, .inner = 2048, .vocabulary = 32128};
    const auto plan = planDraftLoop(loopOf(small), 16);
    QVERIFY(!plan || plan->bytes > kMostShared);
}

void DraftLoopTest::weightsAreSharedOut() {
    const auto plan = planDraftLoop(loopOf({.layers = 2}), 16);
    QVERIFY(plan.has_value());
    // Rows of two bytes each: three of a head's, a share of the others.
    QCOMPARE(plan->sourceQ - plan->qkv, 3 * 32 * 128 * 2);
    QCOMPARE(plan->o - plan->sourceQ, 32 * 128 * 2);
    QCOMPARE(plan->sourceO - plan->o, 128 / 16 * 128 * 2);
    QCOMPARE(plan->up, plan->out); // nothing for what there is not
    QCOMPARE(plan->firstLayer - plan->head, 2048 / 16 * 128 * 2);
    QCOMPARE(plan->bytes, plan->firstLayer + 2 * plan->layerBytes);
    for (const int offset :
         {plan->arrivals, plan->products, plan->control, plan->best, plan->hiddens, plan->mixed,
          plan->inners, plan->query, plan->parts, plan->scores, plan->logits, plan->finalNorm,
          plan->bias, plan->head, plan->firstLayer, plan->layerBytes, plan->caches[3]}) {
        QCOMPARE(offset % 16, 0);
    }
}

void DraftLoopTest::otherShapesAreRefused() {
    for (const int blocks : {0, 1, 4, 12, 32}) {
        QVERIFY(!planDraftLoop(loopOf({}), blocks));
    }
    QVERIFY(!planDraftLoop(loopOf({.layers = 0}), 16));
    QVERIFY(!planDraftLoop(loopOf({.layers = DraftLoop::kMostLayers + 1}), 16));
    QVERIFY(!planDraftLoop(loopOf({.hidden = 132}), 16));
    QVERIFY(!planDraftLoop(loopOf({.heads = 4, .headDim = 6}), 16));
    QVERIFY(!planDraftLoop(loopOf({.heads = 1, .headDim = 136}), 16));
    QVERIFY(!planDraftLoop(loopOf({.inner = 190}), 16));
    QVERIFY(!planDraftLoop(loopOf({.layers = 4, .heads = 40, .headDim = 8}), 8)); // copies
    // Fifteen blocks have all hidden states, and no other head waits for the last one.
    QVERIFY(!planDraftLoop(loopOf({.hidden = 40, .heads = 1, .headDim = 8, .inner = 48}), 16));
    QVERIFY(planDraftLoop(loopOf({.hidden = 48, .heads = 1, .headDim = 8, .inner = 40}), 16));
    QVERIFY(planDraftLoop(loopOf({.hidden = 40, .heads = 2, .headDim = 8, .inner = 40}), 16));
    DraftLoop mixed = loopOf({});
    mixed.layers[0].o.dtype = DType::F32;
    QVERIFY(!planDraftLoop(mixed, 16));
    DraftLoop shifted = loopOf({});
    shifted.layers[0].in.data += 2;
    QVERIFY(!planDraftLoop(shifted, 16));
    DraftLoop fed = loopOf({});
    fed.ids.shape = {65};
    QVERIFY(!planDraftLoop(fed, 16));
}

void DraftLoopTest::positionsTakeMemory() {
    DraftLoop loop = loopOf({.capacity = 4096});
    const auto all = planDraftLoop(loop, 16);
    QVERIFY(all.has_value());
    QCOMPARE_GT(all->bytes, kMostShared);
    loop.positions = 64;
    loop.sourcePositions = 5000; // more than there are: all
    const auto source = planDraftLoop(loop, 16);
    QCOMPARE(source->sourcePositions, 4096);
    loop.sourcePositions = 64;
    const auto front = planDraftLoop(loop, 16);
    QCOMPARE(front->positions, 64);
    QCOMPARE_LT(front->bytes, kMostShared);
}

void DraftLoopTest::aProcessorHasNoCluster() {
    ExecContext context(Device{}, {.threads = 1});
    QCOMPARE(draftLoopBlocks(context, loopOf({})), 0);
}

LATHE_TEST(DraftLoopTest);

#include "draft_loop_test.moc"
