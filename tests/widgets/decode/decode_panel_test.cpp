// SPDX-License-Identifier: GPL-3.0-or-later
#include "widgets/decode/decode_panel.h"

#include "tests/widgets/decode/decode_fixture.h"
#include "tests/widgets/decode/made_log.h"
#include "widgets/decode/decode_controls.h"
#include "widgets/decode/decode_facts.h"
#include "widgets/decode/drafter_text.h"
#include "widgets/decode/live_view.h"
#include "widgets/decode/replay_bar.h"
#include "widgets/decode/threshold_strip.h"
#include "widgets/decode/token_ribbon.h"
#include "widgets/decode/what_if_link.h"

#include <QLabel>
#include <QPlainTextEdit>
#include <QSignalSpy>

#include <algorithm>

using namespace lathe;
using namespace lathe::test;

class DecodePanelTest : public QObject {
    Q_OBJECT
private slots:
    void init() { QLocale::setDefault(QLocale::c()); }

    void waitsForTheEngine() {
        const Fixture f(false);
        QVERIFY(f.state() != nullptr);
        QCOMPARE(int(f.state()->kind()), int(StateView::Kind::Loading));
        f.panel->triggerRun();
        QVERIFY(f.panel->run().id() == 0);
    }

    void runsWhatTheControlsSay() {
        Fixture f;
        QCOMPARE(int(f.state()->kind()), int(StateView::Kind::Empty));
        f.panel->controls().sourceEdit().setPlainText(QStringLiteral("Zwei Hunde schlafen."));
        QSignalSpy busy(f.panel.get(), &Panel::busyChanged);
        f.panel->triggerRun();
        QCOMPARE(f.context.submitted.size(), std::size_t(1));
        const Spec& spec = f.context.submitted.front();
        QCOMPARE(spec.study, std::string("decode.once"));
        QCOMPARE(spec.params.at("source").get<std::string>(), std::string("Zwei Hunde schlafen."));
        QCOMPARE(spec.params.at("big").get<std::string>(), std::string("translate-big"));
        QVERIFY(spec.sweep.empty());
        QVERIFY(validate(spec, f.context.info.studies.at(1)).empty());
        QVERIFY(f.panel->showRun(f.context.shown.back()));
        QVERIFY(f.panel->busy());
        QCOMPARE(busy.count(), 1);
    }

    void emptyTextsAreRefused() {
        Fixture f;
        f.panel->controls().sourceEdit().setPlainText(QStringLiteral("  \n"));
        QVERIFY(!f.panel->controls().problem().isEmpty());
        f.panel->triggerRun();
        QVERIFY(f.context.submitted.empty());
        QCOMPARE(f.context.messages.size(), 1);
    }

    void littleModelsThatDraftAreNamed() {
        Fixture f;
        Spec draft = specOf("decoding");
        draft.params.erase("little");
        f.panel->editSpec(draft);
        QVERIFY(f.panel->controls().problem().contains(QStringLiteral("little model")));
        draft.params["strategy"] = "early-exit";
        f.panel->editSpec(draft);
        QCOMPARE(f.panel->controls().problem(), QString());
        f.panel->triggerRun();
        QCOMPARE(f.context.submitted.size(), std::size_t(1));
        QVERIFY(!f.context.submitted.front().params.contains("little"));
    }

    /// Every step shows as soon as its event has come; at the end the view is that of the store.
    void growsStepByStep() {
        Fixture f;
        const qint64 id = f.context.writer().insertRun(specOf("decoding"), "live");
        f.context.writer().flush();
        QVERIFY(f.panel->showRun(id));
        int steps = 0;
        for (const Event& event : eventsOf("decoding", id)) {
            f.context.replay(*f.panel, {event});
            steps += std::holds_alternative<DecodeStep>(event.payload) ? 1 : 0;
            if (!f.panel->run().isMeasured()) {
                QCOMPARE(f.live().story().events(), steps);
            }
        }
        QVERIFY(steps > 10);
        QVERIFY(f.panel->run().isMeasured());
        QCOMPARE(f.live().story().events(), steps + 2); // the encoders are known at the end
        QVERIFY(!f.panel->busy());
        const Fixture stored; // another window on another store of the same run
        DecodeRun again;
        again.load(*f.context.reader().run(id), f.context.reader());
        QCOMPARE(
            again.story().textAt(again.story().events()),
            f.live().story().textAt(f.live().story().events()));
    }

    void showsStoredRuns() {
        Fixture f;
        const qint64 id = f.store("decoding");
        QVERIFY(f.panel->showRun(id));
        QVERIFY(f.state() == nullptr);
        const Json& metrics = f.panel->run().metrics();
        QCOMPARE(
            f.live().story().textAt(f.live().story().events()).trimmed().toStdString(),
            metrics.at("text").get<std::string>());
        QCOMPARE(f.live().thresholds().fallback, 0.9);
        QCOMPARE(f.live().thresholds().rollback, 2.0);
        QCOMPARE(f.live().confidence().threshold(), 0.9);
        QVERIFY(!f.panel->showRun(999));
        QCOMPARE(f.panel->run().id(), id);
    }

    /// Tokens and turns can be stepped through to both ends.
    void stepsThroughTheReplay() {
        Fixture f;
        f.panel->showRun(f.store("decoding"));
        ReplayBar& bar = f.live().replay();
        bar.clock().pause();
        bar.clock().setPosition(0);
        int last = f.live().cursor();
        int steps = 0;
        while (f.live().cursor() < f.live().story().events()) {
            emit bar.tokenStepped(1);
            QVERIFY(f.live().cursor() > last);
            last = f.live().cursor();
            ++steps;
        }
        QVERIFY(steps > 10);
        int turns = 0;
        while (f.live().cursor() > 0) {
            emit bar.turnStepped(-1);
            QVERIFY(f.live().cursor() < last);
            last = f.live().cursor();
            ++turns;
        }
        QVERIFY(turns > 1 && turns < steps);
    }

    void draggedLinesAskTheEngine() {
        Fixture f;
        f.panel->showRun(f.store("decoding"));
        QCOMPARE(f.context.asked.size(), std::size_t(1)); // the candidates of what is shown
        f.answer(1, recorded().at("answers").at(0));
        QVERIFY(!f.live().isWhatIf());
        for (int life = 0; life < static_cast<int>(f.live().story().lives().size()); ++life) {
            emit f.live().ribbon().lifeSelected(life);
        }

        emit f.live().confidence().thresholdMoved(0.7);
        emit f.live().confidence().thresholdMoved(0.6);
        emit f.live().confidence().thresholdMoved(0.5);
        QCOMPARE(f.context.asked.size(), std::size_t(2)); // one at a time, the latest next
        QCOMPARE(
            f.context.asked[1].second.at("spec").at("params").at("alpha_fb").get<double>(), 0.7);
        f.answer(2, recorded().at("answers").at(1));
        QCOMPARE(f.context.asked.size(), std::size_t(3));
        const Json& asked = f.context.asked[2].second;
        QCOMPARE(asked.at("spec").at("params").at("alpha_fb").get<double>(), 0.5);
        QVERIFY(asked.at("costs") == f.panel->run().metrics().at("costs"));
        QVERIFY(f.live().isWhatIf());
        emit f.live().distance().thresholdChosen(0.5);
        QCOMPARE(f.panel->controls().draft().params.at("alpha_rb").get<double>(), 0.5);
        f.answer(3, recorded().at("answers").at(1));
        f.answer(4, recorded().at("answers").at(1));
        QVERIFY(f.live().isWhatIf());
        QVERIFY(!f.panel->whatIf().isWaiting());
        QCOMPARE(
            f.live().story().textAt(f.live().story().events()).trimmed().toStdString(),
            recorded().at("answers").at(1).at("text").get<std::string>());

        emit f.live().runWanted();
        const Spec& measured = f.context.submitted.back();
        QCOMPARE(measured.params.at("alpha_fb").get<double>(), 0.5);
        QCOMPARE(measured.params.at("alpha_rb").get<double>(), 0.5);
        emit f.live().measuredWanted();
        QVERIFY(!f.live().isWhatIf());
        QCOMPARE(f.live().thresholds().fallback, 0.9);
    }

    /// Other thresholds are for who drafted; strategies without any get those of the little model.
    void draggedLinesKeepTheDrafter() {
        for (const auto& [strategy, asked] :
             {std::pair{"early-exit", "early-exit"}, {"self", "self"}, {"lossless", "bild"}}) {
            Fixture f;
            Spec spec = specOf("decoding");
            spec.params["strategy"] = strategy;
            f.panel->showRun(f.store("decoding", spec));
            f.answer(1, recorded().at("answers").at(0));
            emit f.live().confidence().thresholdMoved(0.7);
            QCOMPARE(f.context.asked.size(), std::size_t(2));
            QCOMPARE(f.context.asked[1].second.at("spec").at("params").at("strategy"), Json(asked));
            f.answer(2, recorded().at("answers").at(1));
            QVERIFY(f.live().isWhatIf());
            emit f.live().confidence().thresholdMoved(0.9); // as it was measured
            QCOMPARE(f.live().isWhatIf(), std::string(strategy) != asked);
            emit f.live().runWanted();
            QCOMPARE(f.context.submitted.back().params.at("strategy"), Json(asked));
        }
    }

    void headlinesNameWhoDecodes() {
        const Json params{
            {"big", "/m/large"},
            {"little", "small"},
            {"exit_layer", 2},
            {"self_bits", 3},
            {"self_method", "kmeans"}};
        QCOMPARE(pairText(params, "bild"), QStringLiteral("large + small"));
        QCOMPARE(pairText(params, ""), QStringLiteral("large + small"));
        QCOMPARE(pairText(params, "lookup"), QStringLiteral("large"));
        QCOMPARE(pairText(params, "big"), QStringLiteral("large"));
        QCOMPARE(pairText(params, "little"), QStringLiteral("small"));
        QCOMPARE(pairText(params, "early-exit"), QStringLiteral("large + its first 2 layers"));
        QCOMPARE(pairText(params, "self"), QStringLiteral("large + itself in 3 bits (kmeans)"));
        QCOMPARE(
            pairText({{"big", "large"}}, "early-exit"),
            QStringLiteral("large + half of its layers"));
    }

    /// What was asked for one run is not shown on another.
    void lateAnswersAreOfNoInterest() {
        Fixture f;
        const qint64 first = f.store("decoding");
        f.panel->showRun(first);
        emit f.live().confidence().thresholdMoved(0.5);
        f.answer(1, recorded().at("answers").at(0));
        f.panel->showRun(f.store("decoding"));
        f.answer(2, recorded().at("answers").at(1));
        QVERIFY(!f.live().isWhatIf());
    }

    void failedReplaysSayWhy() {
        Fixture f;
        f.panel->showRun(f.store("decoding"));
        emit f.context.answered(1, {{"question", 1}, {"error", "the model is gone"}});
        QVERIFY(std::ranges::any_of(f.panel->findChildren<QLabel*>(), [](const QLabel* label) {
            return label->text().contains(QStringLiteral("the model is gone"));
        }));
        emit f.live().confidence().thresholdMoved(0.5);
        f.answer(2, Json{{"text", "no log"}}); // a damaged answer is said, not shown
        QVERIFY(!f.live().isWhatIf());
    }

    void numbersFitNarrowViews() {
        const DecodeStory story = longStory(300);
        const auto lines = [&](int rows) {
            return factsText(story, story.events(), {}, false, rows).count(QStringLiteral("<tr>"));
        };
        QCOMPARE(factRows(story, {}, false, 4000), 1);
        QCOMPARE(factRows(story, {}, false, 600), 2);
        QCOMPARE(factRows(story, {}, false, 100), 3);
        QCOMPARE(lines(1), 1);
        QCOMPARE(lines(2), 2);
    }

    void failedRunsSayWhy() {
        Fixture f;
        const qint64 id = f.context.writer().insertRun(specOf("decoding"), "fails");
        f.context.writer().flush();
        f.panel->showRun(id);
        f.context.replay(
            *f.panel, {{id, -1, 1, {}, RunChanged{RunState::Failed, "the vocabularies differ"}}});
        QCOMPARE(int(f.state()->kind()), int(StateView::Kind::Error));
        QVERIFY(f.state()->sentence().contains(QStringLiteral("the vocabularies differ")));
    }

    void damagedLogsAreSaid() {
        Fixture f;
        const qint64 id = f.context.writer().insertRun(specOf("decoding"), "damaged");
        Json metrics = recorded().at("answers").at(0);
        metrics["events"][3]["pos"] = 77;
        f.context.writer().post({id, 0, 1, {}, CellChanged{CellState::Done, "k", {}, metrics}});
        f.context.writer().post({id, -1, 2, {}, RunChanged{RunState::Done}});
        f.context.writer().flush();
        QVERIFY(!f.panel->showRun(id));
        QCOMPARE(int(f.state()->kind()), int(StateView::Kind::Error));
    }

    void stateIsRestored() {
        Fixture f;
        const qint64 id = f.store("decoding");
        f.panel->showRun(id);
        f.panel->controls().sourceEdit().setPlainText(QStringLiteral("Ein eigener Satz."));
        f.live().replay().setSpeed(2);
        const QJsonObject state = f.panel->saveState();
        DecodePanel other(f.context);
        other.restoreState(state);
        QCOMPARE(other.run().id(), id);
        QCOMPARE(other.controls().sourceEdit().toPlainText(), QStringLiteral("Ein eigener Satz."));
        QCOMPARE(other.live().replay().speed(), 2);
        other.restoreState({{"draft", "{broken"}, {"page", 99}, {"run", "x"}});
        QCOMPARE(other.run().id(), id);
    }

    void everythingIsNamed() {
        Fixture f;
        f.panel->showRun(f.store("decoding"));
        f.panel->resize(1200, 800);
        f.panel->show();
        QCOMPARE(namelessWidgets(*f.panel), QStringList());
    }
};

LATHE_TEST(DecodePanelTest);

#include "decode_panel_test.moc"
