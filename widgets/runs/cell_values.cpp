// SPDX-License-Identifier: GPL-3.0-or-later
#include "widgets/runs/cell_values.h"

#include <QCoreApplication>
#include <QLocale>

#include <algorithm>
#include <cmath>
#include <map>
#include <set>

namespace lathe {

namespace {

constexpr int kDigits = 6;
constexpr double kWholeLimit = 1e15; ///< whole numbers below are written in full

QString tr(const char* text) { return QCoreApplication::translate("CellValues", text); }

bool isBound(const std::string& name, const std::set<std::string>& all) {
    for (const std::string_view suffix : {"_low", "_high"}) {
        if (name.ends_with(suffix) && all.contains(name.substr(0, name.size() - suffix.size()))) {
            return true;
        }
    }
    return false;
}

QString numberForPeople(const Json& value) {
    const QLocale locale;
    const auto number = value.get<double>();
    if (!std::isfinite(number)) {
        return QStringLiteral("–");
    }
    if (number == std::floor(number) && std::abs(number) < kWholeLimit) {
        return locale.toString(static_cast<qlonglong>(number));
    }
    return locale.toString(number, 'g', kDigits);
}

} // namespace

const Json& member(const Json& object, const std::string& name) {
    static const Json kNull;
    if (!object.is_object()) {
        return kNull;
    }
    const auto it = object.find(name);
    return it == object.end() ? kNull : *it;
}

std::vector<std::string> varyingParams(const std::vector<CellRow>& cells) {
    std::map<std::string, std::set<std::string>> values;
    for (const CellRow& cell : cells) {
        if (cell.params.is_object()) {
            for (const auto& [name, value] : cell.params.items()) {
                values[name].insert(dumpJson(value));
            }
        }
    }
    std::vector<std::string> names;
    for (const auto& [name, seen] : values) {
        const bool everywhere = std::ranges::all_of(cells, [&name](const CellRow& cell) {
            return cell.params.is_object() && cell.params.contains(name);
        });
        if (seen.size() > 1 || !everywhere) {
            names.push_back(name);
        }
    }
    return names;
}

std::vector<std::string> metricNames(const std::vector<CellRow>& cells, const StudyInfo* info) {
    std::set<std::string> present;
    for (const CellRow& cell : cells) {
        if (cell.metrics.is_object()) {
            for (const auto& [name, value] : cell.metrics.items()) {
                if (!value.is_structured()) {
                    present.insert(name);
                }
            }
        }
    }
    std::vector<std::string> names;
    if (info != nullptr) {
        for (const MetricInfo& metric : info->metrics) {
            if (present.contains(metric.name) && !isBound(metric.name, present)) {
                names.push_back(metric.name);
            }
        }
    }
    for (const std::string& name : present) {
        if (!isBound(name, present) && std::ranges::find(names, name) == names.end()) {
            names.push_back(name);
        }
    }
    return names;
}

const MetricInfo* findMetric(const StudyInfo* info, const std::string& name) {
    if (info == nullptr) {
        return nullptr;
    }
    const auto it = std::ranges::find(info->metrics, name, &MetricInfo::name);
    return it == info->metrics.end() ? nullptr : &*it;
}

QString metricTitle(const StudyInfo* info, const std::string& name) {
    const MetricInfo* metric = findMetric(info, name);
    if (metric == nullptr || metric->title.empty()) {
        return QString::fromStdString(name);
    }
    const QString title = QString::fromStdString(metric->title);
    return metric->unit.empty() ? title
                                : tr("%1 (%2)").arg(title, QString::fromStdString(metric->unit));
}

QString valueForPeople(const Json& value) {
    if (value.is_null()) {
        return QStringLiteral("–");
    }
    if (value.is_number()) {
        return numberForPeople(value);
    }
    if (value.is_boolean()) {
        return value.get<bool>() ? tr("yes") : tr("no");
    }
    return QString::fromStdString(value.is_string() ? value.get<std::string>() : dumpJson(value));
}

QString cellTitle(const CellRow& cell, const std::vector<std::string>& params) {
    QStringList parts;
    for (const std::string& name : params) {
        const Json& value = member(cell.params, name);
        if (!value.is_null()) {
            parts << tr("%1 %2").arg(QString::fromStdString(name), valueForPeople(value));
        }
    }
    return parts.join(QStringLiteral(", "));
}

std::optional<KeyMetric> keyMetricOf(const StudyInfo& info) {
    for (const MetricInfo& metric : info.metrics) {
        if (metric.better != 0) {
            return KeyMetric{metric.name, QString::fromStdString(metric.title), metric.better};
        }
    }
    return std::nullopt;
}

const CellRow* bestCell(const std::vector<CellRow>& cells, const KeyMetric& metric) {
    const CellRow* best = nullptr;
    const auto isReference = [](const CellRow& cell) {
        return member(cell.params, "method") == "float";
    };
    for (const CellRow& cell : cells) {
        const Json& value = member(cell.metrics, metric.name);
        if (cell.state != CellState::Done || !value.is_number() ||
            !std::isfinite(value.get<double>())) {
            continue;
        }
        if (best == nullptr || (isReference(*best) && !isReference(cell))) {
            best = &cell;
            continue;
        }
        const double gain =
            (value.get<double>() - member(best->metrics, metric.name).get<double>()) *
            metric.better;
        if (gain > 0.0 && !isReference(cell)) {
            best = &cell;
        }
    }
    return best;
}

QString keyMetricText(const std::vector<CellRow>& cells, const KeyMetric& metric) {
    const CellRow* best = bestCell(cells, metric);
    if (best == nullptr) {
        return {};
    }
    const QString value =
        tr("%1 %2").arg(metric.title, valueForPeople(member(best->metrics, metric.name)));
    const QString which = cellTitle(*best, varyingParams(cells));
    return which.isEmpty() ? value : tr("%1 (%2)").arg(value, which);
}

} // namespace lathe
