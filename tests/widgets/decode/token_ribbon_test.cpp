// SPDX-License-Identifier: GPL-3.0-or-later
#include "widgets/decode/token_ribbon.h"

#include "tests/support/lathe_test.h"
#include "tests/widgets/decode/made_log.h"

#include <QFile>
#include <QScrollBar>
#include <QSignalSpy>

using namespace lathe;
using namespace lathe::test;

namespace {

/// "A [2] D" for chips and marks.
QString shownText(const RibbonLayout& layout) {
    QStringList all;
    for (const RibbonItem& item : layout.items()) {
        const QString text = layout.textOf(item).piece;
        all += item.isMark() ? QStringLiteral("[%1%2]").arg(item.open ? "-" : "").arg(item.hidden)
                             : text;
    }
    return all.join(QLatin1Char(' '));
}

RibbonLayout laidOut(const DecodeStory& story, int events, const RibbonOptions& options = {}) {
    RibbonLayout layout;
    layout.setStory(&story);
    layout.setLook(QFont(), 500.0, options);
    layout.setCursor(events);
    return layout;
}

void verifySame(const RibbonLayout& a, const RibbonLayout& b) {
    QCOMPARE(shownText(a), shownText(b));
    QCOMPARE(a.rows(), b.rows());
    for (int i = 0; i < static_cast<int>(a.items().size()); ++i) {
        QCOMPARE(a.rectOf(i), b.rectOf(i));
        QCOMPARE(a.items()[i].life, b.items()[i].life);
        QCOMPARE(a.items()[i].fate, b.items()[i].fate);
    }
}

struct Shown {
    explicit Shown(const DecodeStory& story) {
        ribbon.resize(640, 300);
        ribbon.setStory(&story);
        ribbon.show();
        ribbon.setCursor(story.events());
    }
    void key(Qt::Key key) { QTest::keyClick(&ribbon, key); }
    QPoint centre(int item) const {
        return ribbon.chips().rectOf(item).center().toPoint() -
               QPoint(0, ribbon.verticalScrollBar()->value());
    }
    TokenRibbon ribbon;
};

} // namespace

class TokenRibbonTest : public QObject {
    Q_OBJECT

private slots:
    void init() { QLocale::setDefault(QLocale::c()); }

    void foldsWhatIsNotInTheText() {
        const DecodeStory story = traceStory();
        QCOMPARE(shownText(laidOut(story, 0)), QString());
        QCOMPARE(shownText(laidOut(story, 4)), QStringLiteral("A B C D"));
        QCOMPARE(shownText(laidOut(story, 8)), QStringLiteral("A B C D"));     // undone, still seen
        QCOMPARE(shownText(laidOut(story, 9)), QStringLiteral("A [1] D C D")); // B is replaced
        QCOMPARE(shownText(laidOut(story, 10)), QStringLiteral("A [1] D [1] E D"));
        const QString end = QStringLiteral("A [1] D [1] E [1] </s>");
        QCOMPARE(shownText(laidOut(story, story.events())), end);
        QCOMPARE(
            shownText(laidOut(story, story.events(), {.unfolded = true})),
            QStringLiteral("A [-1] B D [-1] C E [-1] D </s>"));
    }

    void foldsTheRestBehindTheEnd() {
        // The big model ends the text where two drafts stand behind the undone one.
        const DecodeStory story{
            MadeLog()
                .draft(1, 0.9)
                .draft(2, 0.9)
                .draft(3, 0.9)
                .fallback(4, 0.2)
                .verify()
                .keep(0.1, 1)
                .rollback(9.0, 6)
                .eos()
                .take(),
            tracePieces()};
        QCOMPARE(shownText(laidOut(story, story.events() - 1)), QStringLiteral("A [1] </s> C D"));
        QCOMPARE(shownText(laidOut(story, story.events())), QStringLiteral("A [1] </s> [2]"));
        RibbonLayout layout = laidOut(story, story.events());
        layout.toggle(3); // all that it stands for
        QCOMPARE(shownText(layout), QStringLiteral("A [1] </s> [-2] C D"));
        layout.toggle(3);
        QCOMPARE(shownText(layout), QStringLiteral("A [1] </s> [2]"));
    }

    void layoutFollowsTheCursorAnyWay() {
        const DecodeStory story = longStory(400);
        RibbonLayout moved;
        moved.setStory(&story);
        moved.setLook(QFont(), 500.0, {});
        for (const int events : {0, 1, 5, 40, 41, 300, 299, 250, 12, 700, 3, story.events()}) {
            moved.setCursor(events);
            verifySame(moved, laidOut(story, events));
        }
        for (int events = story.events(); events >= 0; events -= 7) {
            moved.setCursor(events);
            verifySame(moved, laidOut(story, events));
        }
    }

    void appendedEventsAreLaidOutAlone() {
        const DecodeStory whole = longStory(3000);
        DecodeStory story(DecodeLog{.prompt = whole.log().prompt}, {});
        RibbonLayout grown;
        grown.setStory(&story);
        grown.setLook(QFont(), 500.0, {});
        std::int64_t most = 0;
        for (const DecodeEvent& event : whole.log().events) {
            story.append(event, whole.piece(event.token), {});
            const std::int64_t before = grown.laidOut();
            grown.setCursor(story.events());
            most = std::max(most, grown.laidOut() - before);
        }
        verifySame(grown, laidOut(whole, whole.events()));
        QVERIFY2(most < 40, qPrintable(QString::number(most)));
    }

    void staysTrueWhileTheStoryGrowsBehindTheCursor() {
        const DecodeStory whole = traceStory();
        DecodeStory story(DecodeLog{.prompt = whole.log().prompt}, {});
        RibbonLayout layout;
        layout.setStory(&story);
        layout.setLook(QFont(), 500.0, {});
        for (const DecodeEvent& event : whole.log().events) {
            story.append(event, whole.piece(event.token), {});
            layout.setCursor(std::min(story.events(), 4)); // paused
        }
        verifySame(layout, laidOut(whole, 4));
    }

    void paintsOnlyWhatIsSeen() {
        const DecodeStory story = longStory(10000);
        Shown shown(story);
        shown.ribbon.grab();
        const int rows = static_cast<int>(300 / shown.ribbon.chips().rowHeight()) + 3;
        QVERIFY(shown.ribbon.chips().items().size() > 9000);
        QVERIFY(shown.ribbon.paintedChips() > 20);
        QVERIFY(shown.ribbon.paintedChips() < rows * 60);
        shown.ribbon.verticalScrollBar()->setValue(shown.ribbon.verticalScrollBar()->maximum() / 2);
        shown.ribbon.grab();
        QVERIFY(shown.ribbon.paintedChips() > 20);
        QVERIFY(shown.ribbon.paintedChips() < rows * 60);
    }

    void linesWrapWithinTheWidth() {
        const DecodeStory story = longStory(200);
        RibbonLayout layout = laidOut(story, story.events());
        QVERIFY(layout.rows() > 3);
        for (int i = 0; i < static_cast<int>(layout.items().size()); ++i) {
            QVERIFY(layout.rectOf(i).right() <= 500.0);
            QCOMPARE(layout.itemAt(layout.rectOf(i).center()), i);
        }
        const int narrow = layout.rows();
        layout.setLook(QFont(), 1000.0, {});
        QVERIFY(layout.rows() < narrow);
        QCOMPARE(layout.itemAt({-5.0, 2.0}), -1);
        QCOMPARE(layout.itemAt({5.0, 1e6}), -1);
    }

    void keysChooseTokens() {
        const DecodeStory story = traceStory();
        Shown shown(story);
        QSignalSpy chosen(&shown.ribbon, &TokenRibbon::lifeSelected);
        const auto last = [&] { return chosen.takeLast()[0].toInt(); };
        shown.key(Qt::Key_Right);
        QCOMPARE(last(), 0);
        shown.key(Qt::Key_Right);
        QCOMPARE(last(), 2); // over the mark
        QVERIFY(shown.ribbon.accessibleDescription().contains("replacement by the big model"));
        shown.key(Qt::Key_Return);
        QCOMPARE(shownText(shown.ribbon.chips()), QStringLiteral("A [-1] B D [1] E [1] </s>"));
        shown.key(Qt::Key_Left);
        QCOMPARE(last(), 1);
        QVERIFY(shown.ribbon.accessibleDescription().contains("rolled back"));
        shown.key(Qt::Key_Return); // folds again, and the selection with it
        QCOMPARE(shownText(shown.ribbon.chips()), QStringLiteral("A [1] D [1] E [1] </s>"));
        QCOMPARE(shown.ribbon.chips().itemOf(shown.ribbon.selected()), 1);
        shown.key(Qt::Key_End);
        QCOMPARE(last(), 6);
        shown.key(Qt::Key_Home);
        QCOMPARE(last(), 0);
        chosen.clear();
        shown.key(Qt::Key_Home); // it is chosen already
        shown.ribbon.setSelected(4);
        QCOMPARE(chosen.size(), 0);
        QCOMPARE(shown.ribbon.selected(), 4);
    }

    void keysGoThroughLines() {
        const DecodeStory story = longStory(2000);
        Shown shown(story);
        shown.key(Qt::Key_Home);
        const RibbonLayout& chips = shown.ribbon.chips();
        const auto row = [&] { return chips.rowOf(chips.itemOf(shown.ribbon.selected())); };
        QCOMPARE(row(), 0);
        shown.key(Qt::Key_Down);
        QCOMPARE(row(), 1);
        shown.key(Qt::Key_PageDown);
        QVERIFY(row() > 3);
        const QRectF rect = chips.rectOf(chips.itemOf(shown.ribbon.selected()));
        const int top = shown.ribbon.verticalScrollBar()->value();
        QVERIFY(rect.top() >= top && rect.bottom() <= top + shown.ribbon.viewport()->height());
        shown.key(Qt::Key_PageUp);
        shown.key(Qt::Key_Up);
        QCOMPARE(row(), 0);
    }

    void selectionStaysWithItsToken() {
        const DecodeStory whole = traceStory();
        DecodeStory story(DecodeLog{.prompt = whole.log().prompt}, {});
        TokenRibbon ribbon;
        ribbon.setStory(&story);
        for (const DecodeEvent& event : whole.log().events) {
            story.append(event, whole.piece(event.token), {});
            ribbon.setCursor(story.events());
            if (story.events() == 3) {
                ribbon.setSelected(2); // C, in front of which D will come
            }
        }
        QCOMPARE(ribbon.selected(), 3);
        QCOMPARE(story.lives()[3].token, 3);
    }

    void pointerHoversAndChooses() {
        const DecodeStory story = traceStory();
        Shown shown(story);
        QSignalSpy hovered(&shown.ribbon, &TokenRibbon::lifeHovered);
        QSignalSpy chosen(&shown.ribbon, &TokenRibbon::lifeSelected);
        QTest::mouseMove(shown.ribbon.viewport(), shown.centre(2));
        QTRY_COMPARE(hovered.size(), 1);
        QCOMPARE(hovered[0][0].toInt(), 2);
        QTRY_VERIFY(shown.ribbon.card().isVisible());
        shown.ribbon.setCandidates(2, {{" X", 0.5}}, {{" Y", 0.25}}, "from a cache");
        const QString text = shown.ribbon.card().text();
        QVERIFY(text.contains("0.500") && text.contains("0.250") && text.contains("from a cache"));
        shown.ribbon.setCandidates(0, {{" Z", 0.5}}, {}, {}); // of a token that it is not about
        QCOMPARE(shown.ribbon.card().text(), text);
        QTest::mouseClick(shown.ribbon.viewport(), Qt::LeftButton, {}, shown.centre(2));
        QCOMPARE(chosen.size(), 1);
        QTest::mouseClick(shown.ribbon.viewport(), Qt::LeftButton, {}, shown.centre(1));
        QCOMPARE(shownText(shown.ribbon.chips()), QStringLiteral("A [-1] B D [1] E [1] </s>"));
    }

    void cardTellsEverything() {
        const DecodeStory story = traceStory();
        const QString undone = lifeText(story, 1, story.events());
        for (const char* part : {"rolled back", "0.800", "2.303", "␣D", "1 of 2", "1.00 ms"}) {
            QVERIFY2(undone.contains(part), qPrintable(undone));
        }
        // Before its judgement nobody knows what the big model thinks.
        const QString before = lifeText(story, 1, 3);
        QVERIFY(!before.contains("2.303") && before.contains("drafted"));
    }

    void piecesAreSeen() {
        QCOMPARE(chipPiece(" ein", false), QStringLiteral("ein"));
        QCOMPARE(chipPiece(" ein", true), QStringLiteral("␣ein"));
        QCOMPARE(chipPiece(" ", false), QStringLiteral("␣"));
        QCOMPARE(chipPiece("\n", false), QStringLiteral("⏎"));
        QCOMPARE(chipPiece("", false), QStringLiteral("∅"));
    }

    void secondLineSaysIdsAndProbabilities() {
        const DecodeStory story = traceStory();
        const RibbonLayout plain = laidOut(story, story.events());
        const RibbonLayout both =
            laidOut(story, story.events(), {.ids = true, .probabilities = true});
        QCOMPARE(both.textOf(both.items()[0]).below, QStringLiteral("1 · 0.90"));
        QCOMPARE(both.textOf(both.items()[2]).below, QStringLiteral("4 · 0.60")); // the big one's
        QVERIFY(both.rowHeight() > plain.rowHeight());
        QVERIFY(both.items()[0].width > plain.items()[0].width);
    }

    void fatesDifferWithoutColour() {
        std::set<QString> looks;
        for (int i = 0; i < kTokenFates; ++i) {
            const FateStyle style = fateStyle(static_cast<TokenFate>(i), false);
            looks.insert(QStringLiteral("%1 %2 %3 %4 %5")
                             .arg(style.outline)
                             .arg(style.filled)
                             .arg(style.struck)
                             .arg(style.underlines)
                             .arg(style.mark));
        }
        QCOMPARE(looks.size(), std::size_t(kTokenFates));
    }

    void exportsAllOfTheText() {
        const DecodeStory story = traceStory();
        Shown shown(story);
        shown.ribbon.setProvenance("run 7");
        const TemporaryFolder folder;
        const QString svg = QString::fromStdString((folder.path() / "a.svg").string());
        QString error;
        QVERIFY2(shown.ribbon.exportTo(svg, {600, 80}, &error), qPrintable(error));
        QFile file(svg);
        QVERIFY(file.open(QIODevice::ReadOnly));
        const QByteArray text = file.readAll();
        QVERIFY(text.contains(">E</text>") && text.contains("run 7"));
        QVERIFY(text.contains("replacement</text>")); // the legend
        const QString png = QString::fromStdString((folder.path() / "a.png").string());
        QVERIFY(shown.ribbon.exportTo(png, {600, 10}, &error, 2.0));
        const QImage image(png);
        QCOMPARE(image.width(), 1200);
        QVERIFY(image.height() > 100); // as high as it takes
        QCOMPARE(image.text("Description").contains("run 7"), true);
        QVERIFY(!shown.ribbon.exportTo(svg + ".txt", {600, 80}, &error));
        QVERIFY(error.contains(".svg"));
        QVERIFY(!shown.ribbon.exportTo(png, {90'000, 80}, &error));
    }
};

LATHE_TEST(TokenRibbonTest);
#include "token_ribbon_test.moc"
