// SPDX-License-Identifier: GPL-3.0-or-later
#include "widgets/quant/budget_plots.h"

#include "widgets/base/method_style.h"
#include "widgets/base/theme.h"

#include <QCoreApplication>
#include <QLocale>

#include <algorithm>
#include <cmath>
#include <limits>

namespace lathe {

namespace {

constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();
constexpr double kKib = 1024.0, kMib = 1024.0 * 1024.0;
constexpr double kFewestBits = 1.0, kMostBits = 8.0;
constexpr int kMixedStyle = 0, kUniformStyle = 1, kPlanStyle = 2;

QString tr(const char* text) { return QCoreApplication::translate("Budget", text); }

QString klText(double kl) {
    const QLocale locale;
    return tr("%1 nat").arg(
        kl != 0.0 && kl < 0.001 ? locale.toString(kl, 'e', 2) : locale.toString(kl, 'f', 4));
}

/// "layers.0.mlp.down_proj"
QString shortName(const std::string& name) {
    QString text = QString::fromStdString(name);
    if (text.startsWith(QStringLiteral("model."))) {
        text.remove(0, 6);
    }
    return text;
}

PlotPoint pointAt(double bytes, double kl) {
    return {.x = bytes / kMib, .y = kl, .yLow = kNaN, .yHigh = kNaN};
}

/// "12 % below 3 bit (0.0140 nat)"
QString againstUniform(const MatrixPlan& plan, const std::optional<UniformPlan>& best) {
    if (!best) {
        return tr("none is small enough");
    }
    const QString which = tr("%1 (%2)").arg(optionText(best->setting), klText(best->kl));
    if (!(best->kl > 0.0)) {
        return which;
    }
    const double percent = (1.0 - plan.kl / best->kl) * 100.0;
    return tr("%1 % below %2").arg(QLocale().toString(percent, 'f', 1), which);
}

} // namespace

QString optionText(const MatrixOption& option) {
    const QString bits = tr("%1 bit").arg(option.bits);
    return option.sparsity > 0.0
               ? tr("%1 + %2 %").arg(bits, QLocale().toString(option.sparsity, 'g', 3))
               : bits;
}

QString sizeText(double bytes) {
    const QLocale locale;
    return bytes < kMib ? tr("%1 KiB").arg(locale.toString(bytes / kKib, 'f', 1))
                        : tr("%1 MiB").arg(locale.toString(bytes / kMib, 'f', 3));
}

SensitivityMap budgetMap(const BudgetCurves& curves, const MatrixPlan& plan) {
    Json numbers = Json::object(); // 1 and up: which matrix a tile is of
    for (std::size_t i = 0; i < curves.names().size(); ++i) {
        numbers[curves.names()[i]] = i + 1;
    }
    SensitivityMap map = sensitivityMap(numbers);
    map.axes.title = tr("Bits of the matrices");
    map.axes.zLabel = tr("Bits of a code; + with a sparse part");
    map.axes.zWhole = true;
    map.axes.zLow = kFewestBits;
    map.axes.zHigh = kMostBits;
    for (PlotSeries& series : map.series) {
        series.name = tr("Bits");
        for (PlotPoint& point : series.points) {
            const auto matrix = static_cast<std::size_t>(point.z) - 1;
            const MatrixOption& option = curves.option(matrix, plan.choice[matrix]);
            point.id = static_cast<qint64>(matrix) + 1;
            point.z = option.bits;
            point.label = QString::number(option.bits) +
                          (option.sparsity > 0.0 ? QStringLiteral("+") : QString());
        }
    }
    return map;
}

PlotAxes budgetAxes() {
    return {
        .title = tr("KL divergence against size"),
        .xLabel = tr("Size on disk (MiB)"),
        .yLabel = tr("KL divergence (nat)"),
        .yLog = true};
}

std::vector<PlotSeries> budgetSeries(
    const BudgetCurves& curves, const MatrixPlan& plan, const std::vector<MeasuredPlan>& measured) {
    PlotSeries mixed{
        .name = tr("predicted"), .points = {}, .line = true, .marks = false, .style = kMixedStyle};
    for (const auto& [bytes, kl] : curves.outline()) {
        mixed.points.push_back(pointAt(bytes, kl));
    }
    PlotSeries uniform{.name = tr("predicted, all alike"), .points = {}, .style = kUniformStyle};
    for (const UniformPlan& one : curves.uniform()) {
        uniform.points.push_back(pointAt(static_cast<double>(one.fileBytes), one.kl));
        if (one.setting.sparsity == 0.0) { // labels of all would hide one another
            uniform.points.back().label = optionText(one.setting);
        }
    }
    std::vector<PlotSeries> all{std::move(mixed), std::move(uniform)};
    int style = kOtherStyle;
    for (const MeasuredPlan& one : measured) {
        const QString name = tr("measured on %1").arg(one.text);
        auto series = std::ranges::find(all, name, &PlotSeries::name);
        if (series == all.end()) {
            all.push_back({.name = name, .points = {}, .style = style++});
            series = all.end() - 1;
        }
        PlotPoint point = pointAt(one.fileBytes, one.kl);
        point.yLow = one.klLow;
        point.yHigh = one.klHigh;
        point.id = one.run;
        series->points.push_back(point);
    }
    all.push_back(
        {.name = tr("this plan"),
         .points = {pointAt(static_cast<double>(plan.fileBytes), plan.kl)},
         .style = kPlanStyle});
    return all;
}

std::vector<BudgetFact>
budgetFacts(const BudgetCurves& curves, const MatrixPlan& plan, LimitUnit unit, double limit) {
    const QLocale locale;
    return {
        {tr("Predicted KL divergence"), klText(plan.kl)},
        {tr("Size on disk"), sizeText(static_cast<double>(plan.fileBytes))},
        {tr("Average"), tr("%1 bit").arg(locale.toString(plan.averageBits, 'f', 3))},
        {tr("One KiB more saves"),
         plan.multiplier > 0.0 ? tr("%1 nat").arg(locale.toString(plan.multiplier * kKib, 'e', 1))
                               : tr("nothing")},
        {tr("Against all alike"), againstUniform(plan, curves.bestUniform(unit, limit))}};
}

QString factsTable(const std::vector<BudgetFact>& facts) {
    QString names, values;
    for (const BudgetFact& fact : facts) {
        names += QStringLiteral("<td style='padding-right:24px;color:%1'>%2</td>")
                     .arg(Theme::muted().name(), fact.name.toHtmlEscaped());
        values += QStringLiteral("<td style='padding-right:24px'><b>%1</b></td>")
                      .arg(fact.value.toHtmlEscaped());
    }
    return QStringLiteral("<table><tr>%1</tr><tr>%2</tr></table>").arg(names, values);
}

QString matrixFacts(const BudgetCurves& curves, const MatrixPlan& plan, std::size_t matrix) {
    const std::size_t chosen = plan.choice[matrix];
    const BudgetOption& stored = curves.stored(matrix, chosen);
    return tr("%1: %2, %3, predicted %4")
        .arg(
            shortName(curves.names()[matrix]), optionText(curves.option(matrix, chosen)),
            sizeText(static_cast<double>(stored.cost)), klText(stored.error));
}

} // namespace lathe
