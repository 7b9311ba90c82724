// SPDX-License-Identifier: Apache-2.0
#include "engine/base/random.h"
#include "engine/core/error.h"
#include "engine/quant/packing.h"
#include "kernels/ops/lut_gemv/lut_gemv.h"
#include "kernels/ops/lut_gemv/packed_code.h"
#include "tests/support/lathe_test.h"

using namespace lathe;

namespace {

using Words = std::vector<std::uint32_t>;
using Codes = std::vector<std::uint8_t>;

Words packed(const Codes& codes, int bits) {
    Words words(
        static_cast<std::size_t>(packedWords(static_cast<std::int64_t>(codes.size()), bits)),
        0xFFFFFFFFU);
    packRow(codes, bits, words);
    return words;
}

Codes codesOf(int count, const std::function<int(int)>& rule) {
    Codes codes;
    for (int i = 0; i < count; ++i) {
        codes.push_back(static_cast<std::uint8_t>(rule(i)));
    }
    return codes;
}

} // namespace

class PackingTest : public QObject {
    Q_OBJECT

private slots:
    /// Oracle O3.
    void oracleWords() {
        QCOMPARE(
            packed(codesOf(32, [](int i) { return i % 8; }), 3),
            (Words{0x88fac688, 0xc688fac6, 0xfac688fa}));
        QCOMPARE(
            packed(codesOf(32, [](int i) { return (5 * i + 3) % 8; }), 3),
            (Words{0x43c67543, 0x7543c675, 0xc67543c6}));
        QCOMPARE(
            packed(codesOf(32, [](int i) { return i == 10 ? 7 : 0; }), 3),
            (Words{0xc0000000, 0x00000001, 0x00000000}));
        QCOMPARE(
            packed(codesOf(32, [](int i) { return i == 21 ? 7 : 0; }), 3),
            (Words{0x00000000, 0x80000000, 0x00000003}));
        QCOMPARE(
            packed(codesOf(8, [](int i) { return (3 * i + 1) % 16; }), 4), (Words{0x630da741}));
    }

    void roundTrip_data() {
        QTest::addColumn<int>("bits");
        for (int bits = 1; bits <= 8; ++bits) {
            QTest::addRow("%d", bits) << bits;
        }
    }
    void roundTrip() {
        QFETCH(const int, bits);
        Random random(static_cast<std::uint64_t>(bits));
        for (std::size_t count = 0; count <= 131; ++count) {
            Codes codes(count);
            for (std::uint8_t& code : codes) {
                code = static_cast<std::uint8_t>(random.below(std::uint64_t{1} << bits));
            }
            const Words words = packed(codes, bits);
            // Bit by bit: code j lies at bits [bits * j, bits * (j + 1)), what follows is zero.
            for (std::size_t bit = 0; bit < 32 * words.size(); ++bit) {
                const std::size_t code = bit / static_cast<std::size_t>(bits);
                const std::uint32_t wanted =
                    code < count ? codes[code] >> bit % static_cast<std::size_t>(bits) & 1U : 0U;
                QCOMPARE(words[bit / 32] >> bit % 32 & 1U, wanted);
            }
            Codes back(count, 0xFF);
            unpackRow(words, bits, back);
            QCOMPARE(back, codes);
            for (std::size_t j = 0; j < count; ++j) {
                QCOMPARE(
                    codeAt(
                        reinterpret_cast<const std::int32_t*>(words.data()),
                        static_cast<std::int64_t>(j), bits),
                    std::uint32_t{codes[j]});
            }
        }
    }

    void refusals() {
        Words words(1);
        const Codes codes{1, 9, 2};
        Codes back(3);
        LATHE_VERIFY_THROWS((packRow(codes, 3, words), 0), InputError, "code 1 is 9");
        LATHE_VERIFY_THROWS((packRow(codes, 0, words), 0), InputError, "0 bits");
        LATHE_VERIFY_THROWS((packRow(codes, 9, words), 0), InputError, "9 bits");
        LATHE_VERIFY_THROWS((unpackRow(words, -1, back), 0), InputError, "-1 bits");
        Words tooMany(2);
        LATHE_VERIFY_THROWS((packRow(codes, 4, tooMany), 0), InputError, "2 words");
        LATHE_VERIFY_THROWS((unpackRow(tooMany, 4, back), 0), InputError, "2 words");
        LATHE_VERIFY_THROWS((packRow(codes, 4, {}), 0), InputError, "0 words");
    }
};

LATHE_TEST(PackingTest);
#include "packing_test.moc"
