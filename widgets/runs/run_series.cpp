// SPDX-License-Identifier: GPL-3.0-or-later
#include "widgets/runs/run_series.h"

#include "widgets/base/method_style.h"

#include <QCoreApplication>

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <set>

namespace lathe {

namespace {

constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();
constexpr std::string_view kMetricPrefix = "metric.";

double number(const Json& object, const std::string& name) {
    const Json& value = member(object, name);
    return value.is_number() ? value.get<double>() : kNaN;
}

double horizontal(const CellRow& cell, const std::string& x) {
    return x.starts_with(kMetricPrefix) ? number(cell.metrics, x.substr(kMetricPrefix.size()))
                                        : number(cell.params, x);
}

/// The method's own style where it has one that no other series has yet.
int styleFor(const CellRow& cell, const std::vector<PlotSeries>& all) {
    const auto taken = [&all](int style) {
        return std::ranges::find(all, style, &PlotSeries::style) != all.end();
    };
    const Json& method = member(cell.params, "method");
    int style = method.is_string() ? methodStyle(method.get<std::string>(), kOtherStyle) : 0;
    while (taken(style)) {
        ++style;
    }
    return style;
}

} // namespace

std::vector<std::string> curveNames(const std::vector<MetricRow>& metrics) {
    std::vector<std::string> names;
    for (const MetricRow& metric : metrics) {
        if (metric.step >= 0 && std::ranges::find(names, metric.name) == names.end()) {
            names.push_back(metric.name);
        }
    }
    return names;
}

std::vector<std::string> numericMetrics(const std::vector<CellRow>& cells, const StudyInfo* info) {
    std::vector<std::string> names = metricNames(cells, info);
    std::erase_if(names, [&cells](const std::string& name) {
        return std::ranges::none_of(cells, [&name](const CellRow& cell) {
            return cell.state == CellState::Done && member(cell.metrics, name).is_number();
        });
    });
    return names;
}

std::vector<std::string>
horizontalChoices(const std::vector<CellRow>& cells, const StudyInfo* info) {
    std::vector<std::string> names;
    for (const std::string& name : varyingParams(cells)) {
        std::set<double> values;
        for (const CellRow& cell : cells) {
            if (const double value = number(cell.params, name); std::isfinite(value)) {
                values.insert(value);
            }
        }
        if (values.size() > 1) {
            names.push_back(name);
        }
    }
    for (const std::string& name : numericMetrics(cells, info)) {
        names.push_back(std::string(kMetricPrefix) + name);
    }
    return names;
}

std::vector<PlotSeries> curveSeries(
    const std::vector<MetricRow>& metrics, const std::string& name,
    const std::vector<CellRow>& cells) {
    const std::vector<std::string> varying = varyingParams(cells);
    std::map<int, PlotSeries> byCell;
    for (const MetricRow& metric : metrics) {
        if (metric.name != name || metric.step < 0) {
            continue;
        }
        PlotSeries& series = byCell[metric.cell];
        series.points.push_back(
            {.x = static_cast<double>(metric.step),
             .y = metric.value,
             .yLow = kNaN,
             .yHigh = kNaN,
             .id = metric.cell + 1});
    }
    std::vector<PlotSeries> all;
    for (auto& [index, series] : byCell) {
        const auto cell = std::ranges::find(cells, index, &CellRow::index);
        const QString title = cell != cells.end() ? cellTitle(*cell, varying) : QString();
        series.name = title.isEmpty() ? QString::fromStdString(name) : title;
        series.line = true;
        series.marks = false;
        series.style = static_cast<int>(all.size());
        all.push_back(std::move(series));
    }
    return all;
}

std::vector<PlotSeries>
resultSeries(const std::vector<CellRow>& cells, const std::string& x, const std::string& y) {
    std::vector<std::string> others = varyingParams(cells);
    std::erase(others, x);
    const bool byMetric = x.starts_with(kMetricPrefix);
    if (byMetric && others.size() > 1) {
        // Against another result the numbers go beside the marks, the rest makes the series.
        std::erase_if(others, [&cells](const std::string& name) {
            return std::ranges::all_of(cells, [&name](const CellRow& cell) {
                return member(cell.params, name).is_number();
            });
        });
    }
    std::vector<PlotSeries> all;
    for (const CellRow& cell : cells) {
        const double across = horizontal(cell, x);
        const double up = number(cell.metrics, y);
        if (cell.state != CellState::Done || !std::isfinite(across)) {
            continue;
        }
        const QString title = cellTitle(cell, others);
        const QString name = title.isEmpty() ? QString::fromStdString(y) : title;
        auto series = std::ranges::find(all, name, &PlotSeries::name);
        if (series == all.end()) {
            all.push_back(
                {.name = name, .points = {}, .line = !byMetric, .style = styleFor(cell, all)});
            series = all.end() - 1;
        }
        series->points.push_back(
            {.x = across,
             .y = up,
             .yLow = number(cell.metrics, y + "_low"),
             .yHigh = number(cell.metrics, y + "_high"),
             .id = cell.index + 1,
             .label = byMetric ? QString::number(cell.index + 1) : QString()});
    }
    for (PlotSeries& series : all) {
        std::ranges::stable_sort(series.points, {}, &PlotPoint::x);
    }
    return all;
}

} // namespace lathe
