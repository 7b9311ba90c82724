// SPDX-License-Identifier: GPL-3.0-or-later
#include "widgets/decode/decode_panel.h"

#include "tests/widgets/decode/made_log.h"
#include "tests/widgets/quant/fake_context.h"
#include "widgets/base/state_view.h"
#include "widgets/decode/decode_controls.h"
#include "widgets/decode/decode_facts.h"
#include "widgets/decode/live_view.h"
#include "widgets/decode/pareto_view.h"
#include "widgets/decode/replay_bar.h"
#include "widgets/decode/threshold_strip.h"
#include "widgets/decode/token_ribbon.h"
#include "widgets/decode/what_if_link.h"

#include <QLabel>
#include <QPlainTextEdit>
#include <QSignalSpy>

#include <algorithm>
#include <fstream>
#include <sstream>

using namespace lathe;
using namespace lathe::test;

namespace {

/// What an engine once said: see record_decoding.py.
const Json& recorded() {
    static const Json kRecorded = [] {
        const auto path =
            sourceFolder() / "tests" / "widgets" / "decode" / "recorded_decoding.json";
        std::ifstream file(path);
        std::stringstream text;
        text << file.rdbuf();
        return parseJson(text.str(), path.string());
    }();
    return kRecorded;
}

std::vector<Event> eventsOf(const char* part, qint64 runId) {
    std::vector<Event> events;
    for (const Json& one : recorded().at(part).at("events")) {
        events.push_back(
            {.runId = runId,
             .cell = one.at("cell").get<int>(),
             .seq = one.at("seq").get<std::int64_t>(),
             .at = std::chrono::nanoseconds(one.at("at_ns").get<std::int64_t>()),
             .payload =
                 payloadFromJson(one.at("kind").get<std::string>(), one.at("payload")).value()});
    }
    return events;
}

Spec specOf(const char* part) { return specFromJson(recorded().at(part).at("spec")); }

struct Fixture {
    explicit Fixture(bool ready = true) : context(ready) {
        for (const Json& study : recorded().at("studies")) {
            context.info.studies.push_back(studyInfoFromJson(study));
        }
        for (const char* name : {"translate-big", "translate-little-aligned"}) {
            context.info.models.push_back(
                {.name = name,
                 .title = name,
                 .source = "bundled",
                 .path = name,
                 .architecture = "t5"});
        }
        panel = std::make_unique<DecodePanel>(context);
    }
    /// A stored run of a part of the record.
    qint64 store(const char* part) {
        const qint64 id = context.writer().insertRun(specOf(part), "recorded");
        for (Event& event : eventsOf(part, id)) {
            context.writer().post(std::move(event));
        }
        context.writer().flush();
        return id;
    }
    StateView* state() const {
        for (StateView* view : panel->findChildren<StateView*>()) {
            if (view->isVisibleTo(panel.get())) {
                return view;
            }
        }
        return nullptr;
    }
    void answer(qint64 question, const Json& result) {
        emit context.answered(question, {{"question", question}, {"result", result}});
    }
    LiveView& live() const { return panel->live(); }

    FakeContext context;
    std::unique_ptr<DecodePanel> panel;
};

} // namespace

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

    void gridsAreShown() {
        Fixture f;
        const qint64 id = f.store("grid");
        QVERIFY(f.panel->showRun(id));
        const ThresholdGrid& grid = f.panel->pareto().grid();
        QCOMPARE(grid.points.size(), std::size_t(4));
        QCOMPARE(grid.texts, std::int64_t(12));
        QVERIFY(grid.hasReferences());
        const GridPoint* point = grid.find(0.9, 5.0);
        QVERIFY(point != nullptr);
        const auto series = gridSeries(grid, GridQuality::Bleu, GridTime::WithEncoders, point);
        QCOMPARE(series.size(), std::size_t(5));
        QCOMPARE(series[0].points.size(), std::size_t(4));
        QCOMPARE(series[4].points[0].y, point->metrics.at("bleu").get<double>());
        QVERIFY(pointFacts(grid, *point).contains(QStringLiteral("BLEU")));

        // More thresholds on the same texts join; other texts do not.
        Spec more = specOf("grid");
        more.sweep = Json::object();
        more.params["alpha_fb"] = 0.7;
        more.params["alpha_rb"] = 3.0;
        const qint64 added = f.context.writer().insertRun(more, "added");
        Json params = more.params;
        f.context.writer().post(
            {added, 0, 1, {}, CellChanged{CellState::Done, "k", params, point->metrics}});
        f.context.writer().post({added, -1, 2, {}, RunChanged{RunState::Done}});
        Spec other = more;
        other.params["max_texts"] = 3;
        const qint64 apart = f.context.writer().insertRun(other, "other texts");
        f.context.writer().post(
            {apart, 0, 1, {}, CellChanged{CellState::Done, "k", other.params, point->metrics}});
        f.context.writer().post({apart, -1, 2, {}, RunChanged{RunState::Done}});
        f.context.writer().flush();
        f.panel->pareto().refresh();
        QCOMPARE(f.panel->pareto().grid().points.size(), std::size_t(5));
    }

    void pointsGiveTheirThresholds() {
        Fixture f;
        f.panel->showRun(f.store("decoding"));
        f.answer(1, recorded().at("answers").at(0));
        f.panel->showRun(f.store("grid"));
        f.panel->pareto().plot().setFocus();
        emit f.panel->pareto().plot().pointActivated(1);
        const GridPoint& point = f.panel->pareto().grid().points.front();
        QCOMPARE(f.live().thresholds().fallback, point.fallback);
        QCOMPARE(f.panel->controls().draft().params.at("alpha_rb").get<double>(), point.rollback);
        QCOMPARE(f.context.asked.size(), std::size_t(2));
    }

    void gridsAreMeasured() {
        Fixture f;
        f.panel->pareto().measureGrid();
        QCOMPARE(f.context.submitted.size(), std::size_t(1));
        const Spec& spec = f.context.submitted.front();
        QCOMPARE(spec.study, std::string("decode.pareto"));
        QVERIFY(validate(spec, f.context.info.studies.at(2)).empty());
        QVERIFY(!spec.params.contains("source")); // the bundled texts, not the panel's one
        QVERIFY(f.panel->busy());
    }

    void gridsAreOfWhoDrafts() {
        Fixture f;
        f.store("grid");
        Spec draft = specOf("decoding");
        f.panel->editSpec(draft);
        f.panel->pareto().refresh();
        QCOMPARE(f.panel->pareto().grid().points.size(), std::size_t(4));
        draft.params["strategy"] = "early-exit";
        draft.params.erase("little");
        f.panel->editSpec(draft);
        QVERIFY(f.panel->pareto().grid().isEmpty());
        f.panel->pareto().measureGrid();
        QCOMPARE(f.context.submitted.size(), std::size_t(1));
        QCOMPARE(f.context.submitted.front().params.at("drafter"), Json("early-exit"));
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
