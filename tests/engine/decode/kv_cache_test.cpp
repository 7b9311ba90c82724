// SPDX-License-Identifier: Apache-2.0
#include "engine/core/error.h"
#include "tests/engine/models/tiny_model.h"
#include "tests/support/lathe_test.h"

#include <limits>

namespace lathe {

using test::copied;

class KvCacheTest : public QObject {
    Q_OBJECT
private slots:
    void commitAndTruncateMoveTheLength();
    void lengthsOutOfRangeAreRefused();
    void layersHaveTheirOwnRows();
    void impossibleSizesAreRefused();
    void truncateAndReplayEqualsAStraightRun_data() { addTargets(); }
    void truncateAndReplayEqualsAStraightRun();
    void tokensFedAfterARollbackAreForgotten_data() { addTargets(); }
    void tokensFedAfterARollbackAreForgotten();
    void aFullCacheRefusesAndStaysUsable();
    void aRefusedForwardCommitsNothing();

private:
    static void addTargets() {
        QTest::addColumn<int>("target");
        for (const Target target : availableTargets()) {
            if (target != Target::Cuda) {
                QTest::newRow(std::string(nameOf(target)).c_str()) << static_cast<int>(target);
            }
        }
    }
};

namespace {

constexpr std::int64_t kCapacity = 24;

/// A model, a context, and one sequence whose logits are collected.
struct Session {
    explicit Session(Target target = Target::Scalar)
        : context(Device{}, {.target = target, .threads = 1}),
          model(LlamaModel::load(test::tinyCheckpoint(test::tinyConfig()), context)),
          state(model->begin(context, kCapacity)) {}

    std::vector<float> feed(std::span<const TokenId> tokens) {
        const DecodeSlot slot{*state, tokens};
        return copied(model->forward(context, std::span(&slot, 1)));
    }

    ExecContext context;
    std::unique_ptr<LlamaModel> model;
    std::unique_ptr<DecoderState> state;
};

std::vector<TokenId> someIds(std::size_t count, std::uint64_t seed = 3) {
    Random random(seed);
    return test::randomIds(count, 40, random);
}

} // namespace

void KvCacheTest::commitAndTruncateMoveTheLength() {
    KvCache cache(2, 8, 2, 4, Device{});
    QCOMPARE(cache.length(), 0);
    QCOMPARE(cache.capacity(), 8);
    cache.commit(5);
    cache.commit(0);
    QCOMPARE(cache.length(), 5);
    cache.commit(3);
    QCOMPARE(cache.length(), 8);
    cache.truncate(8);
    QCOMPARE(cache.length(), 8);
    cache.truncate(2);
    QCOMPARE(cache.length(), 2);
    cache.commit(6);
    cache.truncate(0);
    QCOMPARE(cache.length(), 0);
    QCOMPARE(cache.capacity(), 8);
}

void KvCacheTest::lengthsOutOfRangeAreRefused() {
    KvCache cache(1, 8, 2, 4, Device{});
    cache.commit(5);
    LATHE_VERIFY_THROWS(cache.truncate(6), InputError, "5 positions cannot be cut to 6");
    LATHE_VERIFY_THROWS(cache.truncate(-1), InputError, "cut to -1");
    LATHE_VERIFY_THROWS(cache.commit(4), InternalError, "holds 5 of 8");
    LATHE_VERIFY_THROWS(cache.commit(-1), InternalError, "commit of -1");
    LATHE_VERIFY_THROWS(
        cache.commit(std::numeric_limits<std::int64_t>::max()), InternalError, "holds 5 of 8");
    QCOMPARE(cache.length(), 5);
}

void KvCacheTest::layersHaveTheirOwnRows() {
    KvCache cache(3, 8, 2, 4, Device{});
    QCOMPARE(cache.bytes(), std::int64_t{3} * 2 * 8 * 2 * 4 * 4);
    float next = 0.0F;
    for (int layer = 0; layer < 3; ++layer) {
        for (const TensorView& view : {cache.keys(layer), cache.values(layer)}) {
            QVERIFY(view.shape == Shape({8, 2, 4}));
            std::ranges::fill(view.as<float>(), next);
            next += 1.0F;
        }
    }
    cache.commit(8);
    cache.truncate(0); // frees and clears nothing
    next = 0.0F;
    for (int layer = 0; layer < 3; ++layer) {
        for (const TensorView& view : {cache.keys(layer), cache.values(layer)}) {
            QVERIFY(std::ranges::all_of(view.as<float>(), [&](float v) { return v == next; }));
            next += 1.0F;
        }
    }
    LATHE_VERIFY_THROWS(cache.keys(3), InternalError, "layer 3 of a cache of 3");
    LATHE_VERIFY_THROWS(cache.values(-1), InternalError, "layer -1");
}

void KvCacheTest::impossibleSizesAreRefused() {
    constexpr std::int64_t kHuge = std::numeric_limits<std::int64_t>::max() / 2;
    LATHE_VERIFY_THROWS(KvCache(1, 0, 2, 4, Device{}), InputError, "0 positions");
    LATHE_VERIFY_THROWS(KvCache(1, -3, 2, 4, Device{}), InputError, "-3 positions");
    LATHE_VERIFY_THROWS(KvCache(1, 8, 0, 4, Device{}), InputError, "0 heads");
    LATHE_VERIFY_THROWS(KvCache(1, 8, 2, 0, Device{}), InputError, "heads of 0 elements");
    LATHE_VERIFY_THROWS(KvCache(-1, 8, 2, 4, Device{}), InputError, "layers");
    LATHE_VERIFY_THROWS(KvCache(1, kHuge, 2, 4, Device{}), InputError, "is not possible");
    LATHE_VERIFY_THROWS(KvCache(1, 8, kHuge, kHuge, Device{}), InputError, "is not possible");
}

void KvCacheTest::truncateAndReplayEqualsAStraightRun() {
    QFETCH(int, target);
    const std::vector<TokenId> ids = someIds(20);
    const auto all = std::span<const TokenId>(ids);
    const std::vector<TokenId> wrong = someIds(9, 4);

    Session straight(static_cast<Target>(target));
    straight.feed(all.first(12));
    const std::vector<float> expected = straight.feed(all.subspan(12));

    Session rolled(static_cast<Target>(target));
    rolled.feed(all.first(12));
    rolled.feed(wrong);
    QCOMPARE(rolled.state->length(), 21);
    rolled.state->truncate(12);
    QCOMPARE(rolled.state->length(), 12);
    const std::vector<float> replayed = rolled.feed(all.subspan(12));
    QVERIFY(replayed == expected); // to the bit: the same steps on the same rows

    rolled.state->truncate(0);
    rolled.feed(all.first(12));
    QVERIFY(rolled.feed(all.subspan(12)) == expected);
}

void KvCacheTest::tokensFedAfterARollbackAreForgotten() {
    QFETCH(int, target);
    const std::vector<TokenId> ids = someIds(16);
    const auto all = std::span<const TokenId>(ids);
    Session straight(static_cast<Target>(target));
    const std::vector<float> expected = straight.feed(all);

    // Draft and verify: guesses in batches, cut back to what is right, at uneven places.
    Session drafted(static_cast<Target>(target));
    std::vector<float> rows;
    for (const std::size_t accepted : {1U, 4U, 3U, 5U, 3U}) {
        const auto at = static_cast<std::size_t>(drafted.state->length());
        std::vector<TokenId> draft(ids.begin() + static_cast<std::ptrdiff_t>(at), ids.end());
        draft.resize(accepted);
        for (const TokenId id : someIds(5, at + 100)) {
            draft.push_back(id);
        }
        const std::vector<float> logits = drafted.feed(draft);
        rows.insert(
            rows.end(), logits.begin(),
            logits.begin() + static_cast<std::ptrdiff_t>(accepted * 40));
        drafted.state->truncate(static_cast<std::int64_t>(at + accepted));
    }
    QCOMPARE(rows.size(), expected.size());
    QCOMPARE_LE(test::largestDifference(rows, expected), 1e-4);
}

void KvCacheTest::aFullCacheRefusesAndStaysUsable() {
    const std::vector<TokenId> ids = someIds(static_cast<std::size_t>(kCapacity) + 1);
    const auto all = std::span<const TokenId>(ids);
    Session straight;
    straight.feed(all.first(22));
    const std::vector<float> expected = straight.feed(all.subspan(22, 2));

    Session full;
    full.feed(all.first(22));
    LATHE_VERIFY_THROWS(
        full.feed(all.subspan(22, 3)), InputError,
        "3 tokens after 22 do not fit a cache of 24 positions");
    QCOMPARE(full.state->length(), 22);
    QVERIFY(full.feed(all.subspan(22, 2)) == expected);
    LATHE_VERIFY_THROWS(full.feed(all.first(1)), InputError, "1 tokens after 24");
    QCOMPARE(full.state->length(), 24);
    full.state->truncate(22);
    QVERIFY(full.feed(all.subspan(22, 2)) == expected);
}

void KvCacheTest::aRefusedForwardCommitsNothing() {
    Session session;
    const auto second = session.model->begin(session.context, kCapacity);
    const std::vector<TokenId> good{1, 2, 3};
    for (const TokenId bad : {40, -1, std::numeric_limits<TokenId>::max()}) {
        const std::vector<TokenId> damaged{5, bad};
        const std::array<DecodeSlot, 2> both{
            DecodeSlot{*session.state, good}, DecodeSlot{*second, damaged}};
        LATHE_VERIFY_THROWS(
            session.model->forward(session.context, both), InputError,
            "token " + std::to_string(bad) + " is not in a vocabulary of 40");
        QCOMPARE(session.state->length(), 0);
        QCOMPARE(second->length(), 0);
    }
    LATHE_VERIFY_THROWS(session.feed({}), InputError, "a slot has no tokens");
}

LATHE_TEST(KvCacheTest);

} // namespace lathe

#include "kv_cache_test.moc"
