// SPDX-License-Identifier: GPL-3.0-or-later
#include "widgets/quant/setting_facts.h"

#include "widgets/base/cell_state.h"
#include "widgets/base/theme.h"
#include "widgets/quant/cell_table_model.h"
#include "widgets/quant/measures.h"

#include <QCoreApplication>
#include <QLocale>

#include <cmath>

namespace lathe {

namespace {

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
        html += measureRow(measure, cell, reference);
    }
    for (const Measure& measure : costMeasures()) {
        html += measureRow(measure, cell, reference);
    }
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
