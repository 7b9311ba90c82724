// SPDX-License-Identifier: GPL-3.0-or-later
#include "widgets/quant/prediction.h"

#include "widgets/base/method_style.h"
#include "widgets/quant/measures.h"

#include <QCoreApplication>
#include <QLocale>

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

namespace lathe {

namespace {

constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();
constexpr std::size_t kMostLabels = 24; ///< points up to which each one carries its label
constexpr std::size_t kLeastRanked = 3; ///< two points are always in order or in reverse
constexpr double kBand = 2.0;
constexpr int kBandStyle = kFloatStyle + 10; ///< the float model's colour, dotted

QString tr(const char* text) { return QCoreApplication::translate("Prediction", text); }

std::vector<double> ranksOf(std::span<const double> values) {
    std::vector<std::size_t> order(values.size());
    std::iota(order.begin(), order.end(), std::size_t{0});
    std::ranges::sort(order, {}, [values](std::size_t i) { return values[i]; });
    std::vector<double> ranks(values.size());
    for (std::size_t from = 0; from < order.size();) {
        std::size_t to = from + 1;
        while (to < order.size() && values[order[to]] == values[order[from]]) {
            ++to;
        }
        for (std::size_t i = from; i < to; ++i) {
            ranks[order[i]] = static_cast<double>(from + to - 1) / 2.0;
        }
        from = to;
    }
    return ranks;
}

QString labelOf(const SweepCell& cell) {
    return cell.matrix.empty() ? cell.label()
                               : cell.matrixName() + QStringLiteral(", ") + cell.label();
}

PlotSeries lineAt(double factor, double from, double to, const QString& name, int style) {
    const auto at = [factor](double x) {
        return PlotPoint{.x = x, .y = x * factor, .yLow = kNaN, .yHigh = kNaN};
    };
    return {
        .name = name, .points = {at(from), at(to)}, .line = true, .marks = false, .style = style};
}

} // namespace

std::vector<const SweepCell*> predictedCells(const SweepRun& run) {
    std::vector<const SweepCell*> cells;
    for (const auto& [index, cell] : run.cells) {
        if (cell.state == CellState::Done && !cell.isFloat() &&
            std::isfinite(cell.value(predictedMeasure().metric)) &&
            std::isfinite(cell.value(klMeasure().metric))) {
            cells.push_back(&cell);
        }
    }
    return cells;
}

double rankCorrelation(std::span<const double> x, std::span<const double> y) {
    if (x.size() != y.size() || x.size() < 2) {
        return kNaN;
    }
    const std::vector<double> a = ranksOf(x);
    const std::vector<double> b = ranksOf(y);
    const double mean = static_cast<double>(a.size() - 1) / 2.0;
    double both = 0.0;
    double ofA = 0.0;
    double ofB = 0.0;
    for (std::size_t i = 0; i < a.size(); ++i) {
        both += (a[i] - mean) * (b[i] - mean);
        ofA += (a[i] - mean) * (a[i] - mean);
        ofB += (b[i] - mean) * (b[i] - mean);
    }
    return ofA > 0.0 && ofB > 0.0 ? both / std::sqrt(ofA * ofB) : kNaN;
}

std::vector<PlotSeries> predictionSeries(const SweepRun& run) {
    const std::vector<const SweepCell*> cells = predictedCells(run);
    std::vector<PlotSeries> all;
    int others = 0;
    double least = std::numeric_limits<double>::infinity();
    double most = 0.0;
    for (const SweepCell* cell : cells) {
        const QString name = cell->methodName();
        auto series = std::ranges::find(all, name, &PlotSeries::name);
        if (series == all.end()) {
            const int style = methodStyle(cell->method, kOtherStyle + others);
            others += style >= kOtherStyle ? 1 : 0;
            all.push_back({.name = name, .points = {}, .style = style});
            series = all.end() - 1;
        }
        const std::string& measured = klMeasure().metric;
        series->points.push_back(
            {.x = cell->value(predictedMeasure().metric),
             .y = cell->value(measured),
             .yLow = cell->value(measured + "_low"),
             .yHigh = cell->value(measured + "_high"),
             .id = cell->index + 1,
             .label = cells.size() <= kMostLabels ? labelOf(*cell) : QString()});
        const double x = series->points.back().x;
        least = x > 0.0 ? std::min(least, x) : least;
        most = std::max(most, x);
    }
    if (most > 0.0) {
        const double from = least / kBand;
        const double to = most * kBand;
        all.insert(
            all.begin(), {lineAt(1.0, from, to, tr("as predicted"), kFloatStyle),
                          lineAt(kBand, from, to, tr("factor 2"), kBandStyle),
                          lineAt(1.0 / kBand, from, to, {}, kBandStyle)});
    }
    return all;
}

QString predictionNote(const SweepRun& run) {
    std::vector<double> predicted;
    std::vector<double> measured;
    for (const SweepCell* cell : predictedCells(run)) {
        predicted.push_back(cell->value(predictedMeasure().metric));
        measured.push_back(cell->value(klMeasure().metric));
    }
    const double rank = rankCorrelation(predicted, measured);
    if (predicted.size() < kLeastRanked || !std::isfinite(rank)) {
        return {};
    }
    return tr("Rank correlation %1 of %2 settings")
        .arg(QLocale().toString(rank, 'f', 3))
        .arg(predicted.size());
}

} // namespace lathe
