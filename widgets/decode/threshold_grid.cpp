// SPDX-License-Identifier: GPL-3.0-or-later
#include "widgets/decode/threshold_grid.h"

#include "widgets/base/followed_run.h"
#include "widgets/base/pareto.h"
#include "widgets/decode/drafter_text.h"

#include <QCoreApplication>
#include <QLocale>

#include <algorithm>
#include <cmath>
#include <limits>

namespace lathe {

namespace {

constexpr double kNone = std::numeric_limits<double>::quiet_NaN();
constexpr int kHollow = 9;     ///< a mark without filling
constexpr int kMostRuns = 256; ///< looked through

QString tr(const char* text) { return QCoreApplication::translate("ThresholdGrid", text); }

double number(const Json& metrics, const char* name) {
    const auto found = metrics.find(name);
    return found != metrics.end() && found->is_number() ? found->get<double>() : kNone;
}

QString shortNumber(double value) { return QLocale().toString(value, 'g', 3); }

QString pairLabel(const GridPoint& point) {
    return tr("%1, %2").arg(shortNumber(point.fallback), shortNumber(point.rollback));
}

/// Points of one series, in the order of the grid.
template <class Speed>
PlotSeries
seriesOf(const ThresholdGrid& grid, GridQuality quality, const QString& name, Speed&& speed) {
    PlotSeries series{.name = name, .points = {}};
    for (std::size_t i = 0; i < grid.points.size(); ++i) {
        const GridPoint& point = grid.points[i];
        series.points.push_back(
            {.x = speed(point),
             .y = point.quality(quality),
             .yLow = kNone,
             .yHigh = kNone,
             .id = static_cast<qint64>(i) + 1});
    }
    return series;
}

PlotSeries frontOf(const PlotSeries& measured, const ThresholdGrid& grid) {
    std::vector<ParetoPoint> costs; // less is better there
    for (const PlotPoint& point : measured.points) {
        costs.push_back({-point.x, -point.y});
    }
    PlotSeries front{.name = tr("Front"), .points = {}, .line = true, .marks = false, .style = 1};
    for (const std::size_t i : paretoFront(costs)) {
        PlotPoint point = measured.points[i];
        point.label = pairLabel(grid.points[i]);
        front.points.push_back(point);
    }
    return front;
}

} // namespace

double GridPoint::quality(GridQuality of) const {
    switch (of) {
    case GridQuality::Bleu:
        return number(metrics, "bleu");
    case GridQuality::Chrf:
        return number(metrics, "chrf");
    case GridQuality::RougeLsum:
        return number(metrics, "rouge_lsum");
    case GridQuality::Agreement:
        break;
    }
    return number(metrics, "agreement");
}

double GridPoint::speedup(GridTime of) const {
    return number(metrics, of == GridTime::WithEncoders ? "speedup" : "decode_speedup");
}

double GridPoint::predicted() const { return number(metrics, "predicted_speedup"); }

bool ThresholdGrid::hasReferences() const { return !std::isnan(bigBleu); }

const GridPoint* ThresholdGrid::find(double fallback, double rollback) const {
    const auto found = std::ranges::find_if(points, [&](const GridPoint& point) {
        return point.fallback == fallback && point.rollback == rollback;
    });
    return found == points.end() ? nullptr : &*found;
}

Json gridSubject(const Spec& spec) {
    Json params = spec.params;
    for (const char* own : {"alpha_fb", "alpha_rb", "beside"}) {
        params.erase(own);
    }
    return {{"params", std::move(params)}, {"device", spec.device}, {"target", spec.target}};
}

GridPair gridPair(const Spec& spec, const StudyInfo* study) {
    const Json params = study != nullptr ? withDefaults(spec, *study).params : spec.params;
    GridPair pair{
        .big = textOf(params, "big"), .drafter = textOf(params, "drafter"), .of = Json::object()};
    if (pair.drafter.empty()) {
        pair.drafter = kLittleDrafts;
    }
    for (const char* name : drafterParams(pair.drafter)) {
        if (const auto found = params.find(name); found != params.end()) {
            pair.of[name] = *found;
        }
    }
    return pair;
}

ThresholdGrid
readGrid(RunReader& reader, const GridPair& pair, const StudyInfo* study, qint64 run) {
    ThresholdGrid grid;
    grid.bigBleu = kNone;
    const std::string query = std::string("study:") + kGridStudy;
    std::vector<RunRow> rows = reader.runs({.text = query, .limit = kMostRuns});
    std::erase_if(
        rows, [](const RunRow& row) { return row.study != kGridStudy || row.cellsDone == 0; });
    const auto latest = std::ranges::find_if(rows, [&](const RunRow& row) {
        return run != 0 ? row.id == run : gridPair(row.spec, study) == pair;
    });
    if (latest == rows.end()) {
        return grid;
    }
    grid.spec = latest->spec;
    const Json subject = gridSubject(grid.spec);
    for (const RunRow& row : rows) {
        if (gridSubject(row.spec) != subject) {
            continue;
        }
        for (const CellRow& cell : reader.cells(row.id)) {
            const double fallback = number(cell.params, "alpha_fb");
            const double rollback = number(cell.params, "alpha_rb");
            if (cell.state != CellState::Done || std::isnan(fallback) || std::isnan(rollback) ||
                grid.find(fallback, rollback) != nullptr) {
                continue; // a later run measured it again
            }
            grid.points.push_back({row.id, fallback, rollback, cell.metrics});
            if (std::isnan(grid.bigBleu)) {
                grid.bigBleu = number(cell.metrics, "big_bleu");
            }
            if (const double texts = number(cell.metrics, "texts"); !std::isnan(texts)) {
                grid.texts = static_cast<std::int64_t>(texts);
            }
        }
    }
    return grid;
}

PlotAxes gridAxes(const ThresholdGrid& grid, GridQuality quality, GridTime time) {
    PlotAxes axes{
        .title = tr("Quality against speed over thresholds"),
        .xLabel = time == GridTime::WithEncoders
                      ? tr("Speed-up over the big model alone, with encoders (×)")
                      : tr("Speed-up over the big model alone, decoding (×)"),
        .yLabel = {}};
    switch (quality) {
    case GridQuality::Bleu:
        axes.yLabel = tr("BLEU (points)");
        break;
    case GridQuality::Chrf:
        axes.yLabel = tr("chrF (points)");
        break;
    case GridQuality::RougeLsum:
        axes.yLabel = tr("ROUGE-Lsum (points)");
        break;
    case GridQuality::Agreement:
        axes.yLabel = tr("Agreement with the big model alone (%)");
        break;
    }
    axes.corner = tr("%1 texts; labels: fallback, rollback").arg(grid.texts);
    return axes;
}

std::vector<PlotSeries> gridSeries(
    const ThresholdGrid& grid, GridQuality quality, GridTime time, const GridPoint* present) {
    if (grid.isEmpty()) {
        return {};
    }
    PlotSeries measured = seriesOf(
        grid, quality, tr("Measured"), [time](const GridPoint& p) { return p.speedup(time); });
    std::vector<PlotSeries> series{measured, frontOf(measured, grid)};
    if (time == GridTime::WithEncoders) {
        PlotSeries modelled = seriesOf(
            grid, quality, tr("Time modelled"), [](const GridPoint& p) { return p.predicted(); });
        modelled.style = kHollow;
        series.push_back(std::move(modelled));
    }
    const double alone = quality == GridQuality::Agreement ? 100.0
                         : quality == GridQuality::Bleu    ? grid.bigBleu
                                                           : kNone;
    if (!std::isnan(alone)) {
        series.push_back(
            {.name = tr("Big model alone"),
             .points = {{.x = 1.0, .y = alone, .yLow = kNone, .yHigh = kNone}},
             .style = 3});
    }
    if (present != nullptr) {
        series.push_back(
            {.name = tr("Present thresholds"),
             .points =
                 {{.x = present->speedup(time),
                   .y = present->quality(quality),
                   .yLow = kNone,
                   .yHigh = kNone,
                   .id = present - grid.points.data() + 1}},
             .style = 5}); // its arms reach beyond the point under it
    }
    return series;
}

QString pointFacts(const ThresholdGrid& grid, const GridPoint& point) {
    const QLocale locale;
    QStringList facts;
    if (const double bleu = point.quality(GridQuality::Bleu); !std::isnan(bleu)) {
        const double loss = grid.bigBleu - bleu;
        facts << tr("BLEU %1 (%2)")
                     .arg(
                         locale.toString(bleu, 'f', 2),
                         (loss > 0.0 ? QString(QChar(0x2212)) : QStringLiteral("+")) +
                             locale.toString(std::abs(loss), 'f', 2));
    }
    facts
        << tr("agreement %1 %").arg(locale.toString(point.quality(GridQuality::Agreement), 'f', 1));
    facts << tr("%1 × (modelled %2 ×), decoding %3 ×")
                 .arg(
                     locale.toString(point.speedup(GridTime::WithEncoders), 'f', 2),
                     locale.toString(point.predicted(), 'f', 2),
                     locale.toString(point.speedup(GridTime::Decoding), 'f', 2));
    facts << tr("run %1").arg(point.run);
    return tr("Fallback %1, rollback %2: %3")
        .arg(
            shortNumber(point.fallback), shortNumber(point.rollback),
            facts.join(QStringLiteral(" · ")));
}

} // namespace lathe
