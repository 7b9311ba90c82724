// SPDX-License-Identifier: GPL-3.0-or-later
#include "widgets/quant/measures.h"

#include "widgets/base/method_style.h"
#include "widgets/base/pareto.h"

#include <QCoreApplication>
#include <QLocale>

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

namespace lathe {

namespace {

constexpr double kBytesPerMib = 1024.0 * 1024.0;
constexpr double kPercent = 100.0;
constexpr double kLogRatio = 5.0;    ///< values farther apart than this want a log axis
constexpr double kHuge = 1e6;        ///< from here on numbers are written with an exponent,
constexpr double kLeast = 5.0;       ///< and below so many units of the last digit of
constexpr int kFine = 3;             ///< at least so many
constexpr int kFloatLevelStyle = 22; ///< the float model's colour in both palettes, dotted

constexpr std::size_t kKl = 1;
constexpr std::size_t kOverKmeans = 7;
constexpr std::size_t kPredicted = 8;
const std::array<Measure, 9> kQuality{{
    {"perplexity", QT_TRANSLATE_NOOP("Measure", "Perplexity"), "", 1.0, 2, -1},
    {"kl_mean", QT_TRANSLATE_NOOP("Measure", "KL divergence"), QT_TRANSLATE_NOOP("Measure", "nat"),
     1.0, 4, -1},
    {"bits_per_byte", QT_TRANSLATE_NOOP("Measure", "Bits per byte"),
     QT_TRANSLATE_NOOP("Measure", "bit"), 1.0, 3, -1},
    {"top1_agreement", QT_TRANSLATE_NOOP("Measure", "Top-1 agreement"), "%", kPercent, 1, 1},
    {"kl_median", QT_TRANSLATE_NOOP("Measure", "KL, median of tokens"),
     QT_TRANSLATE_NOOP("Measure", "nat"), 1.0, 4, -1},
    {"kl_p99", QT_TRANSLATE_NOOP("Measure", "KL, 99 % of tokens"),
     QT_TRANSLATE_NOOP("Measure", "nat"), 1.0, 3, -1},
    {"kl_p999", QT_TRANSLATE_NOOP("Measure", "KL, 99.9 % of tokens"),
     QT_TRANSLATE_NOOP("Measure", "nat"), 1.0, 3, -1},
    {"kl_over_kmeans", QT_TRANSLATE_NOOP("Measure", "KL over that of k-means"), "×", 1.0, 2, -1},
    {"predicted_kl", QT_TRANSLATE_NOOP("Measure", "Predicted KL divergence"),
     QT_TRANSLATE_NOOP("Measure", "nat"), 1.0, 4, -1},
}};

const std::array<Measure, 2> kCost{{
    {"bytes", QT_TRANSLATE_NOOP("Measure", "Size of all weights"), "MiB", 1.0 / kBytesPerMib, 2,
     -1},
    {"average_bits", QT_TRANSLATE_NOOP("Measure", "Average bits per weight"),
     QT_TRANSLATE_NOOP("Measure", "bit"), 1.0, 2, -1},
}};

const Measure kSeconds{
    "seconds", QT_TRANSLATE_NOOP("Measure", "Time"), QT_TRANSLATE_NOOP("Measure", "s"), 1.0, 1, -1};

QString translate(const char* text) { return QCoreApplication::translate("Measure", text); }

double shown(const Measure& measure, const SweepCell& cell, const char* suffix = "") {
    return cell.value(measure.metric + suffix) * measure.factor;
}

QString numberText(double value, int digits) {
    if (!std::isfinite(value)) {
        return QStringLiteral("–");
    }
    const bool vanishes =
        digits >= kFine && value != 0.0 && std::abs(value) * std::pow(10.0, digits) < kLeast;
    return std::abs(value) >= kHuge || vanishes ? QLocale().toString(value, 'e', 2)
                                                : QLocale().toString(value, 'f', digits);
}

bool isPlotted(const SweepCell& cell, const Measure& x, const Measure& y) {
    return cell.state == CellState::Done && std::isfinite(shown(x, cell)) &&
           std::isfinite(shown(y, cell));
}

PlotPoint pointOf(const SweepCell& cell, const Measure& x, const Measure& y) {
    return {
        .x = shown(x, cell),
        .y = shown(y, cell),
        .yLow = shown(y, cell, "_low"),
        .yHigh = shown(y, cell, "_high"),
        .id = cell.index + 1,
        .label = cell.label()};
}

PlotSeries frontOf(const std::vector<PlotPoint>& points, const Measure& y) {
    std::vector<ParetoPoint> costs;
    for (const PlotPoint& point : points) {
        costs.push_back({point.x, -y.better * point.y});
    }
    PlotSeries front{
        .name = QCoreApplication::translate("Measure", "Pareto front"),
        .points = {},
        .step = true,
        .marks = false,
        .style = kParetoStyle};
    for (const std::size_t index : paretoFront(costs)) {
        front.points.push_back(points[index]);
        PlotPoint& added = front.points.back();
        added.label.clear();
        added.yLow = added.yHigh = std::nan("");
    }
    return front;
}

} // namespace

std::span<const Measure> qualityMeasures() { return kQuality; }
std::span<const Measure> costMeasures() { return kCost; }
const Measure& klMeasure() { return kQuality[kKl]; }
const Measure& overKmeansMeasure() { return kQuality[kOverKmeans]; }
const Measure& predictedMeasure() { return kQuality[kPredicted]; }
const Measure& secondsMeasure() { return kSeconds; }

bool isMeasured(const Measure& measure, const SweepCell& cell) {
    return cell.metrics.is_object() && cell.metrics.contains(measure.metric);
}

QString measureTitle(const Measure& measure) { return translate(measure.title); }

QString measureUnit(const Measure& measure) {
    return *measure.unit == '\0' ? QString() : translate(measure.unit);
}

QString axisLabel(const Measure& measure) {
    const QString unit = measureUnit(measure);
    return unit.isEmpty() ? measureTitle(measure)
                          : translate(QT_TRANSLATE_NOOP("Measure", "%1 (%2)"))
                                .arg(measureTitle(measure), unit);
}

QString measureText(const Measure& measure, const SweepCell& cell) {
    return numberText(shown(measure, cell), measure.digits);
}

QString intervalText(const Measure& measure, const SweepCell& cell) {
    const double low = shown(measure, cell, "_low");
    const double high = shown(measure, cell, "_high");
    if (!std::isfinite(low) || !std::isfinite(high)) {
        return {};
    }
    return translate(QT_TRANSLATE_NOOP("Measure", "%1 to %2"))
        .arg(numberText(low, measure.digits), numberText(high, measure.digits));
}

std::vector<PlotSeries> sweepSeries(const SweepRun& run, const Measure& x, const Measure& y) {
    std::vector<PlotSeries> all;
    std::vector<PlotPoint> points;
    const SweepCell* reference = nullptr;
    int others = 0;
    for (const auto& [index, cell] : run.cells) {
        if (!isPlotted(cell, x, y)) {
            continue;
        }
        reference = cell.isFloat() ? &cell : reference;
        const QString name = cell.methodName();
        auto series = std::ranges::find(all, name, &PlotSeries::name);
        if (series == all.end()) {
            const int style = methodStyle(cell.method, kOtherStyle + others);
            others += style >= kOtherStyle ? 1 : 0;
            all.push_back({.name = name, .points = {}, .style = style});
            series = all.end() - 1;
        }
        points.push_back(pointOf(cell, x, y));
        series->points.push_back(points.back());
    }
    if (points.size() > 1) {
        all.insert(all.begin(), frontOf(points, y));
    }
    if (reference != nullptr && points.size() > 1) {
        const auto [least, most] = std::ranges::minmax(points, {}, &PlotPoint::x);
        PlotPoint from = pointOf(*reference, x, y);
        from.yLow = from.yHigh = std::nan("");
        PlotPoint to = from;
        from.x = least.x;
        to.x = most.x;
        all.insert(
            all.begin(), {.name = translate(QT_TRANSLATE_NOOP("Measure", "level of float")),
                          .points = {from, to},
                          .line = true,
                          .marks = false,
                          .style = kFloatLevelStyle});
    }
    return all;
}

bool wantsLog(const SweepRun& run, const Measure& measure) {
    double least = std::numeric_limits<double>::infinity();
    double most = 0.0;
    for (const auto& [index, cell] : run.cells) {
        const double value = shown(measure, cell);
        if (cell.state != CellState::Done || !std::isfinite(value) || cell.isFloat()) {
            continue;
        }
        least = std::min(least, value);
        most = std::max(most, value);
    }
    return least > 0.0 && most > least * kLogRatio;
}

} // namespace lathe
