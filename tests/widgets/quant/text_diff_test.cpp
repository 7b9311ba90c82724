// SPDX-License-Identifier: GPL-3.0-or-later
#include "widgets/quant/text_diff.h"

#include "tests/support/lathe_test.h"

#include <QRandomGenerator>

using namespace lathe;

namespace {

QString joined(const std::vector<DiffPiece>& pieces, bool sameOnly = false) {
    QString text;
    for (const DiffPiece& piece : pieces) {
        text += piece.same || !sameOnly ? piece.text : QString();
    }
    return text;
}

qsizetype commonTokens(const TextDiff& diff) {
    return static_cast<qsizetype>(splitTokens(joined(diff.left, true)).size());
}

/// Length of the longest common sequence, by the textbook recursion over prefixes.
qsizetype longest(const std::vector<QString>& a, const std::vector<QString>& b) {
    std::vector<std::vector<qsizetype>> table(a.size() + 1, std::vector<qsizetype>(b.size() + 1));
    for (std::size_t i = 1; i <= a.size(); ++i) {
        for (std::size_t j = 1; j <= b.size(); ++j) {
            table[i][j] = a[i - 1] == b[j - 1] ? table[i - 1][j - 1] + 1
                                               : std::max(table[i - 1][j], table[i][j - 1]);
        }
    }
    return table[a.size()][b.size()];
}

} // namespace

class TextDiffTest : public QObject {
    Q_OBJECT

private slots:
    void tokensAreTheTextAgain_data() {
        QTest::addColumn<QString>("text");
        QTest::addColumn<int>("count");
        QTest::newRow("empty") << QString() << 0;
        QTest::newRow("words") << QStringLiteral("the old captain") << 3;
        QTest::newRow("marks") << QStringLiteral("Yes, sir! \"No.\"") << 8;
        QTest::newRow("apostrophe") << QStringLiteral("it's o’clock") << 2;
        QTest::newRow("space at the ends") << QStringLiteral("  a\n\nb \t") << 3;
        QTest::newRow("beyond the BMP") << QStringLiteral("a 😀 b") << 3;
    }
    void tokensAreTheTextAgain() {
        QFETCH(QString, text);
        QFETCH(int, count);
        const std::vector<QString> tokens = splitTokens(text);
        QString again;
        for (const QString& token : tokens) {
            again += token;
            QVERIFY(!token.isEmpty());
            QVERIFY(token == QString::fromUtf8(token.toUtf8())); // no half of a pair
        }
        QCOMPARE(again, text);
        QCOMPARE(int(tokens.size()), count);
    }

    void equalTextsAreOnePiece() {
        const TextDiff diff = diffTexts(QStringLiteral("one two"), QStringLiteral("one two"));
        const std::vector<DiffPiece> wanted{{QStringLiteral("one two"), true}};
        QCOMPARE(diff.left, wanted);
        QCOMPARE(diff.right, wanted);
    }

    void marksWhatDiffers() {
        const TextDiff diff =
            diffTexts(QStringLiteral("a big red house"), QStringLiteral("a small red house now"));
        const std::vector<DiffPiece> left{
            {QStringLiteral("a"), true},
            {QStringLiteral(" big"), false},
            {QStringLiteral(" red house"), true}};
        const std::vector<DiffPiece> right{
            {QStringLiteral("a"), true},
            {QStringLiteral(" small"), false},
            {QStringLiteral(" red house"), true},
            {QStringLiteral(" now"), false}};
        QCOMPARE(diff.left, left);
        QCOMPARE(diff.right, right);
    }

    void emptySidesDiffer() {
        const TextDiff diff = diffTexts(QString(), QStringLiteral("word"));
        QVERIFY(diff.left.empty());
        QCOMPARE(diff.right, (std::vector<DiffPiece>{{QStringLiteral("word"), false}}));
        QVERIFY(diffTexts(QString(), QString()).right.empty());
    }

    void findsTheLongestCommonSequence() {
        QRandomGenerator random(11);
        const QStringList words{QStringLiteral(" a"), QStringLiteral(" b"), QStringLiteral(" c")};
        for (int round = 0; round < 200; ++round) {
            QString left;
            QString right;
            for (int i = random.bounded(14); i > 0; --i) {
                left += words[random.bounded(3)];
            }
            for (int i = random.bounded(14); i > 0; --i) {
                right += words[random.bounded(3)];
            }
            const TextDiff diff = diffTexts(left, right);
            QCOMPARE(joined(diff.left), left);
            QCOMPARE(joined(diff.right), right);
            QCOMPARE(joined(diff.left, true), joined(diff.right, true));
            QCOMPARE(commonTokens(diff), longest(splitTokens(left), splitTokens(right)));
            for (const auto& side : {diff.left, diff.right}) {
                for (std::size_t i = 1; i < side.size(); ++i) {
                    QVERIFY(side[i - 1].same != side[i].same);
                }
            }
        }
    }

    void veryLongMiddlesDifferAsAWhole() {
        QString left = QStringLiteral("start");
        QString right = left;
        for (int i = 0; i < 3000; ++i) {
            left += QStringLiteral(" l%1 x").arg(i);
            right += QStringLiteral(" r%1 x").arg(i);
        }
        const TextDiff diff =
            diffTexts(left + QStringLiteral(" end"), right + QStringLiteral(" end"));
        QCOMPARE(diff.left.size(), std::size_t(3));
        QCOMPARE(diff.left.front().text, QStringLiteral("start"));
        QVERIFY(!diff.left[1].same);
        // The last "x" and "end" are common tails.
        QCOMPARE(diff.left.back().text, QStringLiteral(" x end"));
    }
};

LATHE_TEST(TextDiffTest);
#include "text_diff_test.moc"
