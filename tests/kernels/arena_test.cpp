// SPDX-License-Identifier: Apache-2.0
#include "kernels/core/arena.h"

#include "tests/support/lathe_test.h"

#include <cstring>

using namespace lathe;

class ArenaTest : public QObject {
    Q_OBJECT

private slots:
    void takesAreAlignedAndApart() {
        Arena arena(Device{});
        const Arena::Scope scope(arena);
        const TensorView first = arena.take({3}, DType::U8);
        const TensorView second = arena.take({100}, DType::F32);
        QCOMPARE(reinterpret_cast<std::uintptr_t>(first.data) % 256, std::uintptr_t{0});
        QCOMPARE(reinterpret_cast<std::uintptr_t>(second.data) % 256, std::uintptr_t{0});
        QVERIFY(second.data >= first.data + 3);
        QVERIFY(arena.take({0}, DType::F32).data != nullptr);
    }

    void scopesGiveBack() {
        Arena arena(Device{});
        const Arena::Scope outer(arena);
        const TensorView kept = arena.take({1000}, DType::F32);
        std::memset(kept.data, 7, kept.bytes());
        std::byte* inside = nullptr;
        {
            const Arena::Scope inner(arena);
            inside = arena.take({1000}, DType::F32).data;
            // Large enough for blocks of its own.
            arena.take({4 << 20}, DType::F32);
            arena.take({1000}, DType::F32);
        }
        const std::size_t reserved = arena.reservedBytes();
        const TensorView again = arena.take({1000}, DType::F32);
        QVERIFY(again.data == inside);
        QCOMPARE(arena.reservedBytes(), reserved);
        std::memset(again.data, 9, again.bytes());
        for (std::size_t i = 0; i < kept.bytes(); ++i) {
            QCOMPARE(kept.data[i], std::byte{7});
        }
    }

    void theSameWorkNeedsNoNewMemory() {
        Arena arena(Device{});
        std::size_t reserved = 0;
        for (int pass = 0; pass < 5; ++pass) {
            const Arena::Scope scope(arena);
            for (int i = 1; i < 60; ++i) {
                arena.take({i, 1000}, DType::F32);
            }
            if (pass == 0) {
                reserved = arena.reservedBytes();
            }
            QCOMPARE(arena.reservedBytes(), reserved);
        }
    }

    void blocksDouble() {
        Arena arena(Device{});
        QCOMPARE(arena.reservedBytes(), std::size_t{0});
        const Arena::Scope scope(arena);
        arena.take({10}, DType::U8);
        QCOMPARE(arena.reservedBytes(), std::size_t{1} << 20);
        arena.take({1 << 20}, DType::U8);
        QCOMPARE(arena.reservedBytes(), std::size_t{3} << 20);
    }
};

LATHE_TEST(ArenaTest);
#include "arena_test.moc"
