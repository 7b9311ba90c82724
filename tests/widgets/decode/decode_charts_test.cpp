// SPDX-License-Identifier: GPL-3.0-or-later
#include "tests/support/lathe_test.h"
#include "tests/widgets/decode/made_log.h"
#include "widgets/base/plot.h"
#include "widgets/decode/decode_histograms.h"
#include "widgets/decode/swim_lanes.h"
#include "widgets/decode/threshold_strip.h"

#include <QFile>
#include <QSignalSpy>
#include <QWheelEvent>

#include <cmath>

using namespace lathe;
using namespace lathe::test;

namespace {

template <class Chart>
void showChart(Chart& chart, const DecodeStory& story) {
    chart.resize(700, 260);
    chart.setStory(&story);
    chart.setCursor(story.events());
    chart.show();
}

void turnWheel(QWidget& widget, QPointF at, int notches) {
    QWheelEvent event(
        at, widget.mapToGlobal(at), {}, {0, 120 * notches}, Qt::NoButton, Qt::NoModifier,
        Qt::NoScrollPhase, false);
    QCoreApplication::sendEvent(&widget, &event);
}

void verifySvg(const PaintedChart& chart, const QByteArray& part) {
    const TemporaryFolder folder;
    const QString path = QString::fromStdString((folder.path() / "a.svg").string());
    QString error;
    QVERIFY2(chart.exportTo(path, {800, 300}, &error), qPrintable(error));
    QFile file(path);
    QVERIFY(file.open(QIODevice::ReadOnly));
    const QByteArray text = file.readAll();
    QVERIFY2(text.contains(part), text);
    QVERIFY(text.contains("run 7"));
}

} // namespace

class DecodeChartsTest : public QObject {
    Q_OBJECT

private slots:
    void init() { QLocale::setDefault(QLocale::c()); }

    void stripHasOneValueForEachPosition() {
        const DecodeStory story = traceStory();
        const auto shown = [&](StripKind kind, int events) {
            QStringList all;
            for (const StripValue& v : stripValues(story, kind, events)) {
                all += QStringLiteral("%1:%2").arg(v.pos).arg(v.value);
            }
            return all.join(QLatin1Char(' '));
        };
        QCOMPARE(shown(StripKind::Confidence, 4), QStringLiteral("1:0.9 2:0.8 3:0.7 4:0.55"));
        // The replacement has no confidence: that of what it replaced stays.
        QCOMPARE(
            shown(StripKind::Confidence, story.events()),
            QStringLiteral("1:0.9 2:0.8 3:0.9 4:0.95"));
        QCOMPARE(shown(StripKind::Distance, 4), QString());
        QCOMPARE(
            shown(StripKind::Distance, story.events()),
            QStringLiteral("1:0.163 2:2.303 3:1.204 4:0.223"));
    }

    void thresholdsDecideAsTheEngineDoes() {
        const StripValue value{.value = 0.6};
        QVERIFY(!crosses(StripKind::Confidence, value, 0.6)); // strictly below
        QVERIFY(crosses(StripKind::Confidence, value, 0.61));
        QVERIFY(crosses(StripKind::Confidence, {.value = 1.0}, 1.0)); // always
        QVERIFY(!crosses(StripKind::Confidence, {.value = 0.0}, 0.0));
        QVERIFY(!crosses(StripKind::Distance, value, 0.6)); // strictly above
        QVERIFY(crosses(StripKind::Distance, value, 0.59));
        QVERIFY(crosses(StripKind::Distance, {.value = 0.0}, 0.0)); // another choice
        QVERIFY(!crosses(StripKind::Distance, {.value = 9.0, .agreed = true}, 0.5));
    }

    void keysMoveTheThreshold() {
        const DecodeStory story = traceStory();
        ThresholdStrip strip(StripKind::Confidence);
        showChart(strip, story);
        strip.setThreshold(0.6);
        QCOMPARE(strip.countText(), QStringLiteral("0 of 4 below"));
        QSignalSpy chosen(&strip, &ThresholdStrip::thresholdChosen);
        QTest::keyClick(&strip, Qt::Key_Up);
        QCOMPARE(chosen.takeLast()[0].toDouble(), 0.61);
        QTest::keyClick(&strip, Qt::Key_PageUp);
        QTest::keyClick(&strip, Qt::Key_PageUp);
        QCOMPARE(strip.threshold(), 0.81);
        QCOMPARE(strip.countText(), QStringLiteral("1 of 4 below"));
        for (int i = 0; i < 5; ++i) {
            QTest::keyClick(&strip, Qt::Key_PageUp);
        }
        QCOMPARE(strip.threshold(), 1.0);
        QCOMPARE(strip.crossings(), 4);
        QVERIFY(strip.accessibleDescription().contains("4 of 4 below"));
        QSignalSpy life(&strip, &ThresholdStrip::lifeSelected);
        QTest::keyClick(&strip, Qt::Key_Home);
        QTest::keyClick(&strip, Qt::Key_Right);
        QCOMPARE(life.takeLast()[0].toInt(), 1);
        QTest::keyClick(&strip, Qt::Key_End);
        QCOMPARE(life.takeLast()[0].toInt(), 6);
    }

    void lineIsDragged() {
        const DecodeStory story = traceStory();
        for (const StripKind kind : {StripKind::Confidence, StripKind::Distance}) {
            ThresholdStrip strip(kind);
            showChart(strip, story);
            QSignalSpy moved(&strip, &ThresholdStrip::thresholdMoved);
            QSignalSpy chosen(&strip, &ThresholdStrip::thresholdChosen);
            const double before = strip.threshold();
            const QPoint from(300, qRound(strip.linePixel()) + 3); // near is enough
            QTest::mousePress(&strip, Qt::LeftButton, {}, from);
            QTest::mouseMove(&strip, from + QPoint(0, 20));
            QTest::mouseMove(&strip, from + QPoint(0, 40));
            QVERIFY(moved.size() >= 1);
            QCOMPARE(chosen.size(), 0);
            QTest::mouseRelease(&strip, Qt::LeftButton, {}, from + QPoint(0, 40));
            QCOMPARE(chosen.size(), 1);
            QVERIFY(strip.threshold() < before);
            QVERIFY(std::abs(strip.linePixel() - (from.y() + 40)) < 12.0);
        }
    }

    void infiniteValuesAndThresholdsAreShown() {
        const double never = std::numeric_limits<double>::infinity();
        const DecodeStory story{
            MadeLog()
                .draft(1, 0.9)
                .draft(2, 0.8)
                .cap()
                .verify()
                .keep(0.2, 1)
                .rollback(never, 4)
                .take(),
            tracePieces()};
        ThresholdStrip strip(StripKind::Distance);
        showChart(strip, story);
        QCOMPARE(strip.crossings(), 1);
        strip.setThreshold(never);
        QCOMPARE(strip.crossings(), 0);
        QVERIFY(std::isfinite(strip.top()));
        QVERIFY(std::isfinite(strip.linePixel()));
        strip.grab();
        QTest::keyClick(&strip, Qt::Key_Down);
        QVERIFY(std::isfinite(strip.threshold()));
    }

    void stripsMergeWhatIsNarrowerThanAPixel() {
        const DecodeStory story = longStory(10000);
        ThresholdStrip strip(StripKind::Confidence);
        showChart(strip, story);
        strip.grab();
        QVERIFY(strip.values().size() > 7000);
        QVERIFY(strip.paintedStems() > 100);
        QVERIFY(strip.paintedStems() <= 351); // columns of two pixels
        strip.setRange(100, 140);
        strip.grab();
        QVERIFY(strip.paintedStems() <= 41);
    }

    void rangesZoomAndLink() {
        const DecodeStory story = longStory(500);
        ThresholdStrip first(StripKind::Confidence);
        ThresholdStrip second(StripKind::Distance);
        showChart(first, story);
        showChart(second, story);
        connect(&first, &PaintedChart::rangeChanged, &second, &PaintedChart::setRange);
        connect(&second, &PaintedChart::rangeChanged, &first, &PaintedChart::setRange);
        const double whole = first.rangeHigh() - first.rangeLow();
        turnWheel(first, {400, 100}, 4);
        const double part = first.rangeHigh() - first.rangeLow();
        QVERIFY(part < 0.5 * whole);
        QCOMPARE(second.rangeLow(), first.rangeLow());
        QCOMPARE(second.rangeHigh(), first.rangeHigh());
        const double low = first.rangeLow();
        QTest::mousePress(&second, Qt::LeftButton, {}, {400, 30});
        QTest::mouseMove(&second, {430, 30});
        QTest::mouseMove(&second, {460, 30});
        QTest::mouseRelease(&second, Qt::LeftButton, {}, {460, 30});
        QVERIFY(first.rangeLow() < low);
        QVERIFY(std::abs(first.rangeHigh() - first.rangeLow() - part) < 1e-6);
        QTest::keyClick(&first, Qt::Key_0);
        QCOMPARE(second.rangeHigh() - second.rangeLow(), whole);
        second.zoom(1e9, 1e9);
        QCOMPARE(second.rangeHigh() - second.rangeLow(), whole); // never beyond what there is
    }

    void barsAreTheCalls() {
        const DecodeStory story = traceStory();
        const std::vector<LaneBar> little = laneBars(story, false, 0.0, 100.0, 0.001);
        QCOMPARE(little.size(), std::size_t(6));
        QCOMPARE(little[1].from, 1.0);
        QCOMPARE(little[1].to, 2.0);
        QVERIFY(!little[0].wasted && little[1].wasted && little[3].wasted && !little[4].wasted);
        QCOMPARE(laneBars(story, true, 0.0, 100.0, 0.001).size(), std::size_t(2));
        QCOMPARE(laneBars(story, false, 8.5, 10.5, 0.001).size(), std::size_t(2));
        // Four calls of a millisecond become two bars where a pixel is wider than each.
        const std::vector<LaneBar> merged = laneBars(story, false, 0.0, 100.0, 1.5);
        QVERIFY(merged.size() < 4);
        QCOMPARE(merged.front().first, 0);
        QCOMPARE(merged.back().last, 6);
    }

    void lanesTellWhoIsAhead() {
        const DecodeStory story = traceStory();
        SwimLanes lanes;
        showChart(lanes, story);
        lanes.setAlone({5.0, 10.0, 15.0, 20.0});
        lanes.setCursor(3); // 3 ms: three drafts, none of them judged
        QCOMPARE(lanes.aheadText(), QStringLiteral("Pair 0, big model alone 0 tokens: level"));
        lanes.setCursor(9); // 9 ms: A and D
        QVERIFY(lanes.aheadText().startsWith("Pair 2, big model alone 1 tokens:"));
        lanes.setCursor(story.events());
        QVERIFY(lanes.aheadText().startsWith("Pair 4, big model alone 3 tokens:"));
        QVERIFY(lanes.rangeHigh() >= 20.0);
        QVERIFY(lanes.accessibleDescription().contains("Pair 4"));
    }

    void lanesMoveTheCursor() {
        const DecodeStory story = traceStory();
        SwimLanes lanes;
        showChart(lanes, story);
        QSignalSpy chosen(&lanes, &SwimLanes::cursorChosen);
        lanes.setCursor(5);
        QTest::keyClick(&lanes, Qt::Key_Period);
        QCOMPARE(chosen.takeLast()[0].toInt(), 6);
        QTest::keyClick(&lanes, Qt::Key_Comma);
        QCOMPARE(chosen.takeLast()[0].toInt(), 4);
        QTest::mouseClick(&lanes, Qt::LeftButton, {}, {690, 100});
        QCOMPARE(chosen.takeLast()[0].toInt(), story.events());
        QTest::mouseClick(&lanes, Qt::LeftButton, {}, {2, 100});
        QCOMPARE(chosen.takeLast()[0].toInt(), 0);
        turnWheel(lanes, {400, 100}, 5);
        QVERIFY(!lanes.isFitted());
        QTest::keyClick(&lanes, Qt::Key_Home);
        QVERIFY(lanes.isFitted());
    }

    void lanesMergeNarrowCalls() {
        const DecodeStory story = longStory(10000);
        SwimLanes lanes;
        showChart(lanes, story);
        lanes.grab();
        QVERIFY(story.calls().size() > 10000);
        QVERIFY2(lanes.paintedBars() < 2500, qPrintable(QString::number(lanes.paintedBars())));
        QVERIFY(lanes.paintedBars() > 100);
    }

    void chartsAreWrittenWithTheirTexts() {
        const DecodeStory story = traceStory();
        ThresholdStrip strip(StripKind::Distance);
        showChart(strip, story);
        strip.setProvenance("run 7");
        verifySvg(strip, "Position (token)</text>");
        verifySvg(strip, "0 of 4 undone</text>");
        SwimLanes lanes;
        showChart(lanes, story);
        lanes.setProvenance("run 7");
        verifySvg(lanes, "Time (ms)</text>");
    }

    void emptyChartsArePainted() {
        const DecodeStory none;
        SwimLanes lanes;
        ThresholdStrip strip(StripKind::Confidence);
        for (const DecodeStory* story : {static_cast<const DecodeStory*>(nullptr), &none}) {
            lanes.setStory(story);
            strip.setStory(story);
            lanes.setCursor(0);
            strip.setCursor(0);
            lanes.setSelected(3);
            strip.setSelected(3);
            QVERIFY(!lanes.grab().isNull());
            QVERIFY(!strip.grab().isNull());
            QTest::keyClick(&lanes, Qt::Key_Period);
            QTest::keyClick(&strip, Qt::Key_Right);
            QTest::mouseClick(&lanes, Qt::LeftButton);
        }
    }

    void histogramsCount() {
        const DecodeStory story = longStory(300);
        const HistogramPlot runs = runLengthPlot(story);
        double sum = 0.0;
        for (const PlotPoint& point : runs.series.front().points) {
            sum += point.y;
        }
        QCOMPARE(sum, static_cast<double>(story.runLengths().size()));
        const HistogramPlot traced = runLengthPlot(traceStory());
        const std::vector<PlotPoint>& trace = traced.series.front().points;
        QCOMPARE(trace.size(), std::size_t(4)); // 0 to 3
        QCOMPARE(trace[1].y, 0.0);
        QCOMPARE(trace[2].y, 1.0);
        QCOMPARE(trace[3].y, 1.0);
        QVERIFY(rollbackPlot(DecodeStory()).series.empty());
        const HistogramPlot causes = handOverPlot(traceStory());
        QCOMPARE(causes.axes.xNames.size(), 4);
        QCOMPARE(causes.series.front().points[0].y, 1.0);
        QCOMPARE(causes.series.front().points[1].y, 0.0);
        QCOMPARE(causes.series.front().points[2].y, 1.0);
    }

    void histogramsAreBarsOnTheAxis() {
        const DecodeStory story = longStory(300);
        DecodeHistograms histograms;
        histograms.setStory(&story);
        QCustomPlot& plot = histograms.plot(0).plot();
        QCOMPARE(plot.yAxis->range().lower, 0.0);
        QCOMPARE(plot.graphCount(), 0);
        auto* bars = qobject_cast<QCPBars*>(plot.plottable(0));
        QVERIFY(bars != nullptr);
        QCOMPARE(
            bars->data()->size(),
            static_cast<int>(histograms.plot(0).series().front().points.size()));
        QVERIFY(plot.xAxis->range().lower <= -0.5); // the outer bars are whole
        QVERIFY(histograms.plot(0).dataAsText().contains("Big calls"));
    }
};

LATHE_TEST(DecodeChartsTest);
#include "decode_charts_test.moc"
