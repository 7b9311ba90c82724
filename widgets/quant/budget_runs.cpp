// SPDX-License-Identifier: GPL-3.0-or-later
#include "widgets/quant/budget_runs.h"

#include "engine/core/json.h"
#include "widgets/base/model_name.h"
#include "widgets/base/followed_run.h"

#include <QCoreApplication>

#include <algorithm>
#include <cmath>
#include <span>

namespace lathe {

namespace {

constexpr double kFirstBits = 4.0; ///< average where no other limit is known
constexpr double kAllBits = 32.0;  ///< a limit that no model exceeds
constexpr const char* kCalibration[] = {
    "calibration", "calibration_clean", "calibration_samples", "calibration_length"};
constexpr const char* kScoring[] = {"text", "clean",       "window", "stride",   "bos",
                                    "tail", "max_windows", "draw",   "draw_seed"};

QString tr(const char* text) { return QCoreApplication::translate("Budget", text); }

/// Null when nothing is said.
Json saidIn(const Json& params, const char* name) {
    const auto it = params.find(name);
    return it != params.end() && *it != "" ? *it : Json();
}

/// Takes over what `from` says of these parameters and takes away the rest of them.
void copyParams(Json& to, const Json& from, std::span<const char* const> names) {
    for (const char* name : names) {
        to.erase(name);
        if (const Json value = saidIn(from, name); !value.is_null()) {
            to[name] = value;
        }
    }
}

Spec oneCell(Spec spec) {
    spec.study = kBudgetStudy;
    spec.sweep = Json::object();
    spec.done.clear();
    spec.repeat = 1;
    return spec;
}

} // namespace

std::string modelOf(const Spec& spec) { return textOf(spec.params, "model"); }

std::vector<MeasuredPlan> measuredPlans(qint64 run, const std::vector<CellRow>& cells) {
    std::vector<MeasuredPlan> plans;
    for (const CellRow& cell : cells) {
        const MeasuredPlan plan{
            .run = run,
            .fileBytes = numberOrNan(cell.metrics, "planned_file_bytes"),
            .kl = numberOrNan(cell.metrics, "kl_mean"),
            .klLow = numberOrNan(cell.metrics, "kl_mean_low"),
            .klHigh = numberOrNan(cell.metrics, "kl_mean_high"),
            .text = QString::fromStdString(textOf(cell.metrics, "text_name"))};
        if (plan.fileBytes > 0.0 && std::isfinite(plan.kl)) {
            plans.push_back(plan);
        }
    }
    return plans;
}

std::pair<LimitUnit, double> firstLimit(const Json& params, const BudgetCurves& curves) {
    if (const double bytes = numberOrNan(params, "bytes"); bytes > 0.0) {
        return {LimitUnit::Bytes, bytes};
    }
    const double bits = numberOrNan(params, "average_bits");
    const bool limits = bits < curves.most(LimitUnit::AverageBits);
    return {LimitUnit::AverageBits, limits ? bits : kFirstBits};
}

QString budgetHeadline(const RunRow& row) {
    const QString text = QString::fromStdString(textOf(row.spec.params, "calibration"));
    return QStringList{
        tr("Run %1").arg(row.id), shortModelName(QString::fromStdString(modelOf(row.spec))),
        text.isEmpty() ? tr("calibrated on text of its own")
                       : tr("calibrated on %1").arg(shortModelName(text))}
        .join(QStringLiteral(" · "));
}

Spec curvesSpec(const Spec& draft) {
    Spec spec = oneCell(draft);
    spec.params = {{"model", modelOf(draft)}, {"average_bits", kAllBits}, {"measure", false}};
    copyParams(spec.params, draft.params, kCalibration);
    return spec;
}

Spec planSpec(const Spec& shown, const Spec& draft, LimitUnit unit, double limit) {
    Spec spec = oneCell(draft);
    spec.seed = shown.seed; // of the calibration: its curves are in the cache
    spec.params = shown.params;
    for (const char* name : {"bytes", "average_bits", "out", "measure"}) {
        spec.params.erase(name);
    }
    copyParams(spec.params, draft.params, kScoring);
    if (unit == LimitUnit::Bytes) {
        spec.params["bytes"] = static_cast<std::int64_t>(limit);
    } else {
        spec.params["average_bits"] = limit;
    }
    return spec;
}

bool otherCalibration(const Spec& run, const Spec& draft, const StudyInfo& study) {
    return std::ranges::any_of(kCalibration, [&](const char* name) {
        const auto param = std::ranges::find(study.params, name, &ParamSpec::name);
        const Json normal = param != study.params.end() ? param->defaultValue : Json();
        const Json ofRun = saidIn(run.params, name);
        const Json ofDraft = saidIn(draft.params, name);
        return (ofRun.is_null() ? normal : ofRun) != (ofDraft.is_null() ? normal : ofDraft);
    });
}

} // namespace lathe
