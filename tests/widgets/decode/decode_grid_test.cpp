// SPDX-License-Identifier: GPL-3.0-or-later
#include "tests/widgets/decode/decode_fixture.h"
#include "widgets/decode/decode_controls.h"
#include "widgets/decode/live_view.h"
#include "widgets/decode/pareto_view.h"

using namespace lathe;
using namespace lathe::test;

/// The page of quality against speed.
class DecodeGridTest : public QObject {
    Q_OBJECT
private slots:
    void init() { QLocale::setDefault(QLocale::c()); }

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

    /// Drafters of one kind are told apart by what makes them, and by nothing else.
    void gridsAreOfOneDrafter() {
        const Fixture f;
        const StudyInfo& study = f.context.info.studies.at(2);
        Spec spec = specOf("grid");
        const GridPair little = gridPair(spec, &study);
        spec.params["exit_layer"] = 1;
        QCOMPARE(gridPair(spec, &study) == little, true);
        spec.params["drafter"] = "early-exit";
        const GridPair first = gridPair(spec, &study);
        QCOMPARE(first == little, false);
        spec.params["little"] = "another";
        QCOMPARE(gridPair(spec, &study) == first, true);
        spec.params["exit_layer"] = 0;
        const GridPair half = gridPair(spec, &study);
        QCOMPARE(half == first, false);
        spec.params.erase("exit_layer"); // 0 without being said
        QCOMPARE(gridPair(spec, &study) == half, true);
    }

    /// A grid that is measured again with edits is that of the same pair.
    void editedGridsKeepTheirPair() {
        Fixture f;
        Spec grid = specOf("grid");
        grid.params["big"] = "other-big";
        grid.params.erase("little");
        grid.params["drafter"] = "early-exit";
        grid.params["exit_layer"] = 1;
        grid.params["max_run"] = 7;
        grid.device = "cpu";
        grid.seed = 5;
        QVERIFY(f.panel->editSpec(grid));
        const Spec draft = f.panel->controls().draft();
        QCOMPARE(draft.params.at("strategy"), Json("early-exit"));
        QVERIFY(textOf(draft.params, "source") != textOf(grid.params, "source"));
        f.panel->pareto().measureGrid();
        QCOMPARE(f.context.submitted.size(), std::size_t(1));
        const Spec& measured = f.context.submitted.front();
        for (const char* name : {"big", "drafter", "exit_layer", "max_run", "max_texts"}) {
            QCOMPARE(measured.params.at(name), grid.params.at(name));
        }
        QVERIFY(!measured.params.contains("little"));
        QCOMPARE(measured.device, grid.device);
        QCOMPARE(measured.seed, grid.seed);
        QCOMPARE(measured.sweep, grid.sweep);
    }
};

LATHE_TEST(DecodeGridTest);

#include "decode_grid_test.moc"
