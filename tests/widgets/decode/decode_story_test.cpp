// SPDX-License-Identifier: GPL-3.0-or-later
#include "widgets/decode/decode_story.h"

#include "engine/core/error.h"
#include "tests/support/lathe_test.h"
#include "tests/widgets/decode/made_log.h"

#include <cmath>

using namespace lathe;
using namespace lathe::test;

namespace {

QString fatesOf(const DecodeStory& story, int events) {
    QStringList all;
    for (const TokenLife& life : story.lives()) {
        const auto fate = life.fateAt(events);
        all += fate ? QString::number(static_cast<int>(*fate)) : QStringLiteral("-");
    }
    return all.join(QLatin1Char(' '));
}

void verifySame(const DecodeStory& a, const DecodeStory& b) {
    QCOMPARE(a.lives().size(), b.lives().size());
    for (std::size_t i = 0; i < a.lives().size(); ++i) {
        const TokenLife& x = a.lives()[i];
        const TokenLife& y = b.lives()[i];
        QCOMPARE(x.token, y.token);
        QCOMPARE(x.pos, y.pos);
        QCOMPARE(x.attempt, y.attempt);
        QCOMPARE(x.born, y.born);
        QCOMPARE(x.judged, y.judged);
        QCOMPARE(x.fate, y.fate);
        QCOMPARE(x.argmaxL, y.argmaxL);
    }
    QCOMPARE(a.calls().size(), b.calls().size());
    QCOMPARE(a.endNs(), b.endNs());
}

} // namespace

class DecodeStoryTest : public QObject {
    Q_OBJECT

private slots:
    void livesOfTheTrace() {
        const DecodeStory story = traceStory();
        // By position, then by attempt: A | B, D | C, E | D thrown away, the end.
        QString order;
        for (const TokenLife& life : story.lives()) {
            order += QStringLiteral("%1@%2.%3 ").arg(life.token).arg(life.pos).arg(life.attempt);
        }
        QCOMPARE(order, QStringLiteral("1@1.0 2@2.0 4@2.1 3@3.0 5@3.1 4@4.0 6@4.1 "));
        using enum TokenFate;
        const std::vector<TokenFate> fates{Agreed,    RolledBack, Replacement, Flushed,
                                           Tolerated, ThrownAway, Agreed};
        for (std::size_t i = 0; i < fates.size(); ++i) {
            QCOMPARE(story.lives()[i].fate, fates[i]);
        }
        const TokenLife& undone = story.lives()[1];
        QCOMPARE(undone.c, 0.80);
        QCOMPARE(undone.d, 2.303);
        QCOMPARE(undone.argmaxL, 4);
        QCOMPARE(undone.ms, 1.0);
        QCOMPARE(story.lives()[2].ms, 5.0); // of the call of the big model
        QVERIFY(std::isnan(story.lives()[3].d));
        // A rollback came before the big model could overrule the prediction.
        QCOMPARE(story.lives()[5].argmaxL, -1);
    }

    void fatesComeWithTheEvents() {
        const DecodeStory story = traceStory();
        QCOMPARE(fatesOf(story, 0), QStringLiteral("- - - - - - -"));
        QCOMPARE(fatesOf(story, 3), QStringLiteral("0 0 - 0 - - -"));
        QCOMPARE(fatesOf(story, 4), QStringLiteral("0 0 - 0 - 5 -"));
        QCOMPARE(fatesOf(story, 6), QStringLiteral("1 0 - 0 - 5 -"));
        QCOMPARE(fatesOf(story, 7), QStringLiteral("1 3 - 0 - 5 -"));
        QCOMPARE(fatesOf(story, 8), QStringLiteral("1 3 - 4 - 5 -"));
        QCOMPARE(fatesOf(story, 9), QStringLiteral("1 3 7 4 - 5 -"));
        QCOMPARE(fatesOf(story, story.events()), QStringLiteral("1 3 7 4 2 5 1"));
    }

    void textFollows() {
        const DecodeStory story = traceStory();
        QCOMPARE(story.textAt(0), QString());
        QCOMPARE(story.textAt(3), QStringLiteral(" A B C"));
        QCOMPARE(story.textAt(9), QStringLiteral(" A D"));
        QCOMPARE(story.textAt(11), QStringLiteral(" A D E</s>")); // a draft like any other yet
        QCOMPARE(story.textAt(story.events()), QStringLiteral(" A D E"));
        QCOMPARE(story.lengthAt(0), 1);
        QCOMPARE(story.lengthAt(3), 4);
        QCOMPARE(story.lengthAt(9), 3);
        QVERIFY(!story.endedAt(story.events() - 1));
        QVERIFY(story.endedAt(story.events()));
    }

    void textIsWhatTheLogSays() {
        const DecodeStory story = longStory(300);
        for (int events = 0; events <= story.events(); ++events) {
            const std::vector<TokenId> tokens =
                replay(story.log(), static_cast<std::size_t>(events)).tokens;
            QString text;
            for (std::size_t i = 1; i < tokens.size(); ++i) {
                text += story.piece(tokens[i]);
            }
            QCOMPARE(story.textAt(events), text);
        }
    }

    void callsAndTimes() {
        const DecodeStory story = traceStory();
        QCOMPARE(story.calls().size(), std::size_t(8)); // nS 6, nL 2
        QString wasted;
        for (const ModelCall& call : story.calls()) {
            wasted += call.wasted ? QLatin1Char('x')
                      : call.big  ? QLatin1Char('B')
                                  : QLatin1Char('.');
        }
        QCOMPARE(wasted, QStringLiteral(".xxxB..B"));
        QCOMPARE(story.endNs(), 16'000'000);
        QCOMPARE(story.eventsAt(-1), 0);
        QCOMPARE(story.eventsAt(999'999), 0); // its call has not ended
        QCOMPARE(story.eventsAt(1'000'000), 1);
        QCOMPARE(story.eventsAt(9'000'000), 9); // with all that the call decided
        QCOMPARE(story.eventsAt(99'000'000), story.events());
        QCOMPARE(story.timeOf(0), 0);
        QCOMPARE(story.timeOf(4), 4'000'000);
        QCOMPARE(story.timeOf(9), 9'000'000);
        QCOMPARE(story.timeOf(999), 16'000'000);
        QCOMPARE(story.countsAt(4).fallbacks, 1);
        QCOMPARE(story.countsAt(4).rollbacks, 0);
        QCOMPARE(story.countsAt(story.events()).discarded(), 3);
    }

    void numbersForHistograms() {
        const DecodeStory story = traceStory();
        QCOMPARE(story.runLengths(), (std::vector<int>{3, 2}));
        QCOMPARE(story.rollbackDistances(), (std::vector<int>{2}));
        const std::map<HandOver, int> expected{{HandOver::LowConfidence, 1}, {HandOver::Tail, 1}};
        QCOMPARE(story.handOvers(), expected);
        const DecodeStory other{
            MadeLog()
                .verify()
                .big(1, 0.9)
                .draft(2, 0.9)
                .cap()
                .verify()
                .keep(0.1, 2)
                .big(3, 0.8)
                .take(),
            {}};
        const std::map<HandOver, int> causes{{HandOver::Start, 1}, {HandOver::Cap, 1}};
        QCOMPARE(other.handOvers(), causes);
        for (const bool ends : {false, true}) {
            DecodeLog copied = MadeLog().draft(1, 0.9).draft(2, 0.9).verify(ends).take();
            for (DecodeEvent& event : copied.events) {
                event.rows = event.kind == DecodeEventKind::Draft ? 0 : event.rows;
                event.kvS = 0; // no model drafted
            }
            const std::map<HandOver, int> ofCopies{{ends ? HandOver::Tail : HandOver::Copied, 1}};
            QCOMPARE(DecodeStory(copied, {}).handOvers(), ofCopies);
        }
    }

    void bigModelOverrulesWhatWasThrownAway() {
        const DecodeStory story{
            MadeLog().draft(1, 0.9).fallback(2, 0.3).verify().keep(0.1, 1).big(3, 0.8).take(),
            tracePieces()};
        QCOMPARE(story.lives().size(), std::size_t(3));
        QCOMPARE(story.lives()[1].fate, TokenFate::ThrownAway);
        QCOMPARE(story.lives()[1].argmaxL, 3);
        QCOMPARE(story.lives()[1].pLArgmax, 0.8);
        QCOMPARE(story.lives()[2].fate, TokenFate::Big);
    }

    void growsAsItWouldAtOnce() {
        const DecodeStory whole = longStory(120);
        DecodeStory grown(DecodeLog{.prompt = whole.log().prompt}, {});
        for (const DecodeEvent& event : whole.log().events) {
            grown.append(event, whole.piece(event.token), QString());
        }
        verifySame(grown, whole);
        QCOMPARE(grown.textAt(grown.events()), whole.textAt(whole.events()));
    }

    void takesNothingOfAWrongEvent() {
        DecodeStory story{MadeLog().draft(1, 0.9).take(), tracePieces()};
        DecodeEvent event = traceLog().events[1];
        event.pos = 7;
        LATHE_VERIFY_THROWS(story.append(event, "x", "y"), FormatError, "position");
        QCOMPARE(story.events(), 1);
        QCOMPARE(story.piece(2), QStringLiteral(" B"));
        event.pos = 2;
        story.append(event, "▁Z", {});
        QCOMPARE(story.textAt(2), QStringLiteral(" A Z"));
    }

    void refusesLogsThatContradictThemselves() {
        const auto damaged = [](int index, auto change) {
            DecodeLog log = traceLog();
            change(log.events[static_cast<std::size_t>(index)]);
            return log;
        };
        const auto story = [](DecodeLog log) { return DecodeStory(std::move(log), {}); };
        LATHE_VERIFY_THROWS(
            story(damaged(3, [](DecodeEvent& e) { e.pos = 2; })), FormatError,
            "throws away a token");
        LATHE_VERIFY_THROWS(
            story(damaged(7, [](DecodeEvent& e) { e.pos = 9; })), FormatError, "flushes");
        LATHE_VERIFY_THROWS(
            story(damaged(0, [](DecodeEvent& e) { e.t0Ns = -5; })), FormatError, "before the text");
        LATHE_VERIFY_THROWS(
            story(damaged(1, [](DecodeEvent& e) { e.rows = 1LL << 62; })), FormatError,
            "not there");
        DecodeLog prompt{.prompt = {0}};
        prompt.events.push_back(
            {.kind = DecodeEventKind::KeepAgreed, .pos = 0, .token = 0, .n = 1});
        LATHE_VERIFY_THROWS(story(prompt), FormatError, "nothing was proposed");
    }

    void piecesForPeople() {
        const DecodeStory story = traceStory();
        QCOMPARE(story.piece(1), QStringLiteral(" A"));
        QCOMPARE(story.piece(17), QStringLiteral("<17>"));
        QCOMPARE(DecodeStory().textAt(5), QString());
        QCOMPARE(DecodeStory().endNs(), 0);
        for (int fate = 0; fate < kTokenFates; ++fate) {
            QVERIFY(!fateText(static_cast<TokenFate>(fate)).isEmpty());
        }
    }
};

LATHE_TEST(DecodeStoryTest);
#include "decode_story_test.moc"
