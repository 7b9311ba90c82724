// SPDX-License-Identifier: GPL-3.0-or-later
#include "widgets/quant/setting_facts.h"

#include "widgets/base/cell_state.h"
#include "widgets/base/theme.h"
#include "widgets/quant/cell_table_model.h"
#include "widgets/quant/measures.h"

#include <QCoreApplication>
#include <QLocale>

#include <cmath>
#include <cstddef>

namespace lathe {

namespace {

constexpr std::ptrdiff_t kOfEverySweep = 4; ///< of the quality measures; float has no others

QString tr(const char* text) { return QCoreApplication::translate("SettingFacts", text); }

/// Name and value, below the value what else is known of it.
QString row(const QString& name, const QString& value, const QStringList& more = {}) {
    QStringList lines;
    if (!value.isEmpty()) {
        lines << value.toHtmlEscaped();
    }
    for (const QString& line : more) {
        lines << QStringLiteral("<span style='color:%1;white-space:nowrap'>%2</span>")
                     .arg(Theme::muted().name(), line.toHtmlEscaped());
    }
    return QStringLiteral("<tr><td style='padding-right:10px'>%1</td><td>%2</td></tr>")
        .arg(name.toHtmlEscaped(), lines.join(QStringLiteral("<br>")));
}

QString changeText(const Measure& measure, const SweepCell& cell, const SweepCell* reference) {
    if (reference == nullptr || cell.isFloat()) {
        return {};
    }
    const double now = cell.value(measure.metric);
    const double then = reference->value(measure.metric);
    if (!std::isfinite(now) || !std::isfinite(then) || then <= 0.0 || now <= 0.0) {
        return {};
    }
    const QLocale locale;
    if (measure.metric == "bytes") {
        return tr("%1 × smaller than float").arg(locale.toString(then / now, 'f', 2));
    }
    if (measure.metric != "perplexity" && measure.metric != "bits_per_byte") {
        return {}; // measured against float already, or no quality
    }
    const double percent = (now / then - 1.0) * 100.0;
    const QString sign = percent < 0 ? QStringLiteral("−") : QStringLiteral("+");
    return tr("%1%2 % against float").arg(sign, locale.toString(std::abs(percent), 'f', 2));
}

QString measureRow(const Measure& measure, const SweepCell& cell, const SweepCell* reference) {
    const QString interval = intervalText(measure, cell);
    QStringList more;
    if (!interval.isEmpty()) {
        more << tr("95 %: %1").arg(interval);
    }
    if (const QString change = changeText(measure, cell, reference); !change.isEmpty()) {
        more << change;
    }
    return row(
        measureTitle(measure),
        (measureText(measure, cell) + QLatin1Char(' ') + measureUnit(measure)).trimmed(), more);
}

/// "0.88 (0.87 to 0.89) of k-means"
QString overKmeansText(const SweepCell& cell) {
    const Measure& measure = overKmeansMeasure();
    const QString value = measureText(measure, cell);
    const QString interval = intervalText(measure, cell);
    return interval.isEmpty() ? tr("%1 of k-means").arg(value)
                              : tr("%1 (%2) of k-means").arg(value, interval);
}

QString predictedRow(const SweepCell& cell) {
    const Measure& measure = predictedMeasure();
    const double predicted = cell.value(measure.metric);
    const double measured = cell.value(klMeasure().metric);
    QStringList more;
    if (predicted > 0.0 && measured > 0.0) {
        more << tr("measured: %1 × that").arg(QLocale().toString(measured / predicted, 'g', 3));
    }
    return row(
        measureTitle(measure), measureText(measure, cell) + QLatin1Char(' ') + measureUnit(measure),
        more);
}

/// What squeezellm-sparse keeps beside its tables; empty for other methods.
QString sparseRows(const SweepCell& cell) {
    QString html;
    const QLocale locale;
    constexpr double kPercent = 100.0;
    if (const double share = cell.value("sparse_share"); share > 0.0) {
        html +=
            row(tr("Sparse share"), tr("%1 %").arg(locale.toString(share * kPercent, 'f', 3)),
                {tr("of the quantized weights")});
    }
    if (const double fence = cell.value("fence_factor"); std::isfinite(fence)) {
        html +=
            row(tr("Outlier fence"), locale.toString(fence, 'f', 2),
                {tr("quartile distances beyond the quartiles")});
    }
    return html;
}

QString scoredText(const SweepCell& cell) {
    const double tokens = cell.value("tokens");
    const double windows = cell.value("windows");
    if (!std::isfinite(tokens) || !std::isfinite(windows)) {
        return {};
    }
    const QLocale locale;
    return tr("%1 tokens in %2 windows")
        .arg(locale.toString(tokens, 'f', 0), locale.toString(windows, 'f', 0));
}

} // namespace

QString settingFacts(const SweepCell& cell, const SweepCell* reference) {
    QString html = QStringLiteral("<b>%1</b>").arg(cell.title().toHtmlEscaped());
    if (cell.state != CellState::Done) {
        html += QStringLiteral("<p>%1</p>").arg(cellStateText(cell.state).toHtmlEscaped());
        if (!cell.message.isEmpty()) {
            html += QStringLiteral("<p>%1</p>").arg(cell.message.toHtmlEscaped());
        }
        return html;
    }
    html += QStringLiteral("<table cellpadding='1'>");
    for (const Measure& measure : qualityMeasures()) {
        const auto at = &measure - qualityMeasures().data();
        if (!isMeasured(measure, cell) || (at >= kOfEverySweep && cell.isFloat())) {
            continue;
        }
        if (&measure == &overKmeansMeasure()) {
            html += row(tr("KL over k-means"), overKmeansText(cell));
        } else {
            html += &measure == &predictedMeasure() ? predictedRow(cell)
                                                    : measureRow(measure, cell, reference);
        }
    }
    for (const Measure& measure : costMeasures()) {
        html += measureRow(measure, cell, reference);
    }
    html += sparseRows(cell);
    html += measureRow(secondsMeasure(), cell, reference);
    if (const QString scored = scoredText(cell); !scored.isEmpty()) {
        html += row(tr("Scored"), scored);
    }
    if (const QString protocol = cell.text("protocol"); !protocol.isEmpty()) {
        html += row(tr("Protocol"), protocol);
    }
    if (!cell.message.isEmpty()) {
        html += row(tr("Note"), cell.message);
    }
    return html + QStringLiteral("</table>");
}

} // namespace lathe
