// SPDX-License-Identifier: GPL-3.0-or-later
#include "widgets/runs/run_compare.h"

#include <QCoreApplication>

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <set>

namespace lathe {

namespace {

constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();

QString tr(const char* text) { return QCoreApplication::translate("RunCompare", text); }

/// Leaves of a JSON value by their dotted names.
void flatten(const Json& value, const std::string& prefix, std::map<std::string, QString>& into) {
    if (value.is_object()) {
        for (const auto& [name, inner] : value.items()) {
            flatten(inner, prefix.empty() ? name : prefix + "." + name, into);
        }
    } else if (!prefix.empty()) {
        into[prefix] = value.is_array() ? QString::fromStdString(dumpJson(value))
                                        : QString::fromStdString(valueText(value));
    }
}

void addProperties(
    const QString& group, const Json& left, const Json& right,
    std::vector<PropertyDifference>& into) {
    std::map<std::string, QString> a;
    std::map<std::string, QString> b;
    flatten(left, {}, a);
    flatten(right, {}, b);
    std::set<std::string> names;
    for (const auto& side : {a, b}) {
        for (const auto& [name, text] : side) {
            names.insert(name);
        }
    }
    const auto textOf = [](const std::map<std::string, QString>& side, const std::string& name) {
        const auto it = side.find(name);
        return it == side.end() ? QStringLiteral("–") : it->second;
    };
    for (const std::string& name : names) {
        const QString l = textOf(a, name);
        const QString r = textOf(b, name);
        into.push_back({group, QString::fromStdString(name), l, r, l != r});
    }
}

/// Parameters with swept ones as lists, and the Spec's own members.
Json parametersOf(const Spec& spec, const StudyInfo* info) {
    const Spec full = info != nullptr ? withDefaults(spec, *info) : spec;
    Json all = full.params;
    for (const auto& [name, values] : full.sweep.items()) {
        all[name] = values;
    }
    return all;
}

Json runMembersOf(const Spec& spec) {
    return {{"study", spec.study},   {"seed", spec.seed},       {"device", spec.device},
            {"target", spec.target}, {"threads", spec.threads}, {"repeat", spec.repeat}};
}

std::vector<CellRow> finished(const std::vector<CellRow>& cells) {
    std::vector<CellRow> done;
    std::ranges::copy_if(cells, std::back_inserter(done), [](const CellRow& cell) {
        return cell.state == CellState::Done;
    });
    return done;
}

MetricDifference difference(
    const std::string& metric, const CellRow& left, const CellRow& right, const StudyInfo* info) {
    MetricDifference d{
        .cell = {},
        .metric = metric,
        .title = metricTitle(info, metric),
        .left = member(left.metrics, metric),
        .right = member(right.metrics, metric),
        .delta = kNaN,
        .percent = kNaN};
    if (d.left == d.right) {
        d.verdict =
            d.left.is_null() ? MetricDifference::Verdict::None : MetricDifference::Verdict::Equal;
    }
    if (!d.left.is_number() || !d.right.is_number()) {
        return d;
    }
    const auto from = d.left.get<double>();
    const auto to = d.right.get<double>();
    d.delta = to - from;
    d.percent = from != 0.0 ? d.delta / std::abs(from) * 100.0 : kNaN;
    const MetricInfo* known = findMetric(info, metric);
    // How long a cell took differs from run to run: no result that is better or worse.
    const bool time = known != nullptr && known->unit == "s";
    if (known != nullptr && !time && known->better != 0 && d.delta != 0.0) {
        d.verdict = d.delta * known->better > 0.0 ? MetricDifference::Verdict::Better
                                                  : MetricDifference::Verdict::Worse;
    }
    return d;
}

void compareCells(
    const ComparedRun& left, const ComparedRun& right, const StudyInfo* info, RunComparison& into) {
    const std::vector<CellRow> a = finished(left.cells);
    const std::vector<CellRow> b = finished(right.cells);
    std::vector<std::string> keys = varyingParams(a);
    for (const std::string& name : varyingParams(b)) {
        if (std::ranges::find(keys, name) == keys.end()) {
            keys.push_back(name);
        }
    }
    std::ranges::sort(keys);
    std::vector<CellRow> both = a;
    both.insert(both.end(), b.begin(), b.end());
    const std::vector<std::string> metrics = metricNames(both, info);
    std::vector<bool> taken(b.size(), false);
    for (const CellRow& cell : a) {
        std::size_t at = 0;
        const auto matches = [&](const CellRow& other) {
            return std::ranges::all_of(keys, [&](const std::string& key) {
                return member(cell.params, key) == member(other.params, key);
            });
        };
        while (at < b.size() && (taken[at] || !matches(b[at]))) {
            ++at;
        }
        if (at == b.size()) {
            ++into.leftAlone;
            continue;
        }
        taken[at] = true;
        for (const std::string& metric : metrics) {
            MetricDifference d = difference(metric, cell, b[at], info);
            if (!d.left.is_null() || !d.right.is_null()) {
                d.cell = cellTitle(cell, keys);
                into.metrics.push_back(std::move(d));
            }
        }
    }
    into.rightAlone = static_cast<int>(std::ranges::count(taken, false));
}

} // namespace

RunComparison
compareRuns(const ComparedRun& left, const ComparedRun& right, const StudyInfo* info) {
    RunComparison result;
    const bool sameStudy = left.row.study == right.row.study;
    const StudyInfo* known = sameStudy ? info : nullptr;
    addProperties(
        tr("Run"), runMembersOf(left.row.spec), runMembersOf(right.row.spec), result.properties);
    addProperties(
        tr("Parameters"), parametersOf(left.row.spec, known), parametersOf(right.row.spec, known),
        result.properties);
    addProperties(
        tr("Environment"), left.row.environment, right.row.environment, result.properties);
    if (sameStudy) {
        compareCells(left, right, known, result);
    }
    return result;
}

} // namespace lathe
