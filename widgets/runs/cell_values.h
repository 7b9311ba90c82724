// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "engine/core/study_info.h"
#include "experiments/store/run_reader.h"

#include <QString>

#include <optional>
#include <string>
#include <vector>

/// What the cells of a run of any study have in common and where they differ.
namespace lathe {

/// Names of the parameters whose values differ between cells, in alphabetical order.
std::vector<std::string> varyingParams(const std::vector<CellRow>& cells);
/// Metrics that any cell has, the study's own first and in its order (`info` may be null). Bounds
/// (`x_low`, `x_high` beside `x`) and lists are left out.
std::vector<std::string> metricNames(const std::vector<CellRow>& cells, const StudyInfo* info);
/// Null when the study does not declare it.
const MetricInfo* findMetric(const StudyInfo* info, const std::string& name);
/// "Perplexity", with unit "Size (byte)"; the bare name when it is not declared.
QString metricTitle(const StudyInfo* info, const std::string& name);

/// The member of an object, null JSON when absent or when it is no object.
const Json& member(const Json& object, const std::string& name);
/// A parameter's or result's value for people: numbers in the user's locale, six digits.
QString valueForPeople(const Json& value);
/// "bits 3, method rtn" of the named parameters.
QString cellTitle(const CellRow& cell, const std::vector<std::string>& params);

/// The metric by which a run is known: the first one of its study with a better direction.
struct KeyMetric {
    std::string name;
    QString title;
    int better = -1;
};
std::optional<KeyMetric> keyMetricOf(const StudyInfo& info);
/// The cell with the best value; the float reference of a sweep counts only when it is alone.
const CellRow* bestCell(const std::vector<CellRow>& cells, const KeyMetric& metric);
/// "Perplexity 39.74 (bits 4, method kmeans)"; empty when no cell has a value.
QString keyMetricText(const std::vector<CellRow>& cells, const KeyMetric& metric);

} // namespace lathe
