// SPDX-License-Identifier: Apache-2.0
#include "engine/core/error.h"
#include "engine/text/vocabulary.h"
#include "tests/support/lathe_test.h"

namespace lathe {

namespace {

std::string hit(const PieceFinder& finder, std::string_view text) {
    const auto found = finder.longestAt(text);
    return found ? std::to_string(found->id) + ":" + std::to_string(found->bytes) : "none";
}

} // namespace

class VocabularyTest : public QObject {
    Q_OBJECT
private slots:
    void fingerprintKnowsWherePiecesAreCut() {
        const std::vector<std::string> one{"ab", "c"};
        const std::vector<std::string> other{"a", "bc"};
        const std::vector<std::string> swapped{"c", "ab"};
        QCOMPARE(fingerprintOf(one).size(), 32U);
        QCOMPARE(fingerprintOf(one), fingerprintOf(std::vector<std::string>(one)));
        QVERIFY(fingerprintOf(one) != fingerprintOf(other));
        QVERIFY(fingerprintOf(one) != fingerprintOf(swapped));
        // Remembered across programs and versions: stored runs are compared by it.
        QCOMPARE(fingerprintOf(one), std::string("490a258e5bcabd9490fdeed9aa16ca24"));
    }
    void idsAreChecked() {
        checkTokenId(0, 1);
        QVERIFY(hasPiece(4, 5) && !hasPiece(5, 5));
        LATHE_VERIFY_THROWS(hasPiece(-1, 5), InputError, "token id -1");
        LATHE_VERIFY_THROWS((checkTokenId(-1, 5), 0), InputError, "token id -1");
        LATHE_VERIFY_THROWS((checkTokenId(5, 5), 0), InputError, "vocabulary of 5");
    }
    void bytePiecesAreRead() {
        QCOMPARE(bytePiece("<0x0A>"), std::optional('\n'));
        QCOMPARE(bytePiece("<0xff>"), std::optional('\xFF'));
        for (const char* no : {"", "<0x0A", "<0xG0>", "<0x+1>", "<0x1 >", "<0x001>", "0x0A"}) {
            QVERIFY2(!bytePiece(no), no);
        }
    }
    void spacesAreMarkedAndRestored() {
        QCOMPARE(spacesMarked(" a  b"), std::string("\u2581a\u2581\u2581b"));
        QCOMPARE(spacesRestored("\u2581a\u2581\u2581b"), std::string(" a  b"));
        QCOMPARE(spacesRestored(""), std::string());
    }
    void longestPieceIsFound() {
        const PieceFinder finder(
            {{"ab", 1}, {"abcd", 2}, {"b", 3}, {"", 4}, {"ab", 5}, {"\xFF", 6}}, "test");
        QCOMPARE(hit(finder, "abcde"), std::string("2:4"));
        QCOMPARE(hit(finder, "abcx"), std::string("1:2"));
        QCOMPARE(hit(finder, "ab"), std::string("1:2"));
        QCOMPARE(hit(finder, "a"), std::string("none"));
        QCOMPARE(hit(finder, "b"), std::string("3:1"));
        QCOMPARE(hit(finder, "\xFF\xFF"), std::string("6:1"));
        QCOMPARE(hit(finder, ""), std::string("none"));
        QVERIFY(PieceFinder().empty());
        QCOMPARE(hit(PieceFinder(), "a"), std::string("none"));
    }
    void endlessPiecesAreRefused() {
        LATHE_VERIFY_THROWS(
            PieceFinder({{std::string(1025, 'a'), 7}}, "test"), FormatError,
            "test: piece 7 is a user-defined one of 1025 bytes");
    }
};

LATHE_TEST(VocabularyTest);

} // namespace lathe

#include "vocabulary_test.moc"
