// SPDX-License-Identifier: GPL-3.0-or-later
#include "widgets/decode/decode_facts.h"

#include "widgets/base/theme.h"

#include <QApplication>
#include <QLocale>
#include <QTextDocument>

#include <algorithm>
#include <limits>
#include <utility>

namespace lathe {

namespace {

QString tr(const char* text) { return QCoreApplication::translate("DecodeFacts", text); }

constexpr int kMostRows = 3;

QString cellText(const QString& name, const QString& value) {
    return QStringLiteral(
               "<td style=\"padding-right:18px\"><span style=\"color:%1\">%2</span><br/><b>%3</b>"
               "</td>")
        .arg(Theme::muted().name(), name.toHtmlEscaped(), value.toHtmlEscaped());
}

double threshold(const Json& value) {
    if (value.is_number()) {
        return value.get<double>();
    }
    return value == "inf" ? std::numeric_limits<double>::infinity()
                          : -std::numeric_limits<double>::infinity();
}

using Facts = std::vector<std::pair<QString, QString>>;

Facts factsAt(
    const DecodeStory& story, int events, const std::vector<double>& alone, bool modelled) {
    const QLocale locale;
    const DecodeCounts counts = story.countsAt(events);
    const auto tokens =
        static_cast<int>(story.lengthAt(events)) - static_cast<int>(story.log().prompt.size());
    const double ms = static_cast<double>(story.timeOf(events)) / 1e6;
    Facts facts;
    facts.emplace_back(tr("Tokens"), locale.toString(tokens));
    facts.emplace_back(
        modelled ? tr("ms per token, modelled") : tr("ms per token"),
        tokens > 0 ? locale.toString(ms / tokens, 'f', 3) : QStringLiteral("–"));
    if (tokens > 0 && static_cast<std::size_t>(tokens) <= alone.size() && ms > 0.0) {
        facts.emplace_back(
            tr("Against big alone"),
            tr("%1 ×").arg(
                locale.toString(alone[static_cast<std::size_t>(tokens) - 1] / ms, 'f', 2)));
    }
    const auto kept = counts.agreed + counts.tolerated;
    facts.emplace_back(
        tr("By the little model"),
        tokens > 0
            ? tr("%1 %").arg(locale.toString(
                  100.0 *
                      (1.0 - static_cast<double>(std::min<std::int64_t>(counts.bigTokens, tokens)) /
                                 tokens),
                  'f', 0))
            : QStringLiteral("–"));
    facts.emplace_back(
        tr("Agreed, tolerated"), tr("%1, %2").arg(counts.agreed).arg(counts.tolerated));
    facts.emplace_back(tr("Fallbacks"), locale.toString(static_cast<qlonglong>(counts.fallbacks)));
    facts.emplace_back(tr("Rollbacks"), locale.toString(static_cast<qlonglong>(counts.rollbacks)));
    facts.emplace_back(
        tr("Discarded"), tr("%1 of %2 steps").arg(counts.discarded()).arg(counts.smallSteps));
    facts.emplace_back(
        tr("Calls of big"),
        kept + counts.bigTokens > 0
            ? tr("%1, %2 per 100 tokens")
                  .arg(counts.bigCalls)
                  .arg(locale.toString(
                      100.0 * static_cast<double>(counts.bigCalls) / std::max(1, tokens), 'f', 0))
            : locale.toString(static_cast<qlonglong>(counts.bigCalls)));
    return facts;
}

QString tableOf(const Facts& facts, std::size_t columns) {
    QString text = QStringLiteral("<table><tr>");
    for (std::size_t i = 0; i < facts.size(); ++i) {
        text += i > 0 && i % columns == 0 ? QStringLiteral("</tr><tr>") : QString();
        text += cellText(facts[i].first, facts[i].second);
    }
    return text + QStringLiteral("</tr></table>");
}

} // namespace

QString factsText(
    const DecodeStory& story, int events, const std::vector<double>& alone, bool modelled,
    int rows) {
    const Facts facts = factsAt(story, events, alone, modelled);
    return tableOf(
        facts,
        (facts.size() + static_cast<std::size_t>(rows) - 1) / static_cast<std::size_t>(rows));
}

int factRows(const DecodeStory& story, const std::vector<double>& alone, bool modelled, int width) {
    QTextDocument page;
    page.setDefaultFont(QApplication::font());
    page.setDocumentMargin(0.0);
    for (int rows = 1; rows < kMostRows; ++rows) {
        page.setHtml(factsText(story, story.events(), alone, modelled, rows));
        if (page.idealWidth() <= width) {
            return rows;
        }
    }
    return kMostRows;
}

std::optional<Thresholds> thresholdsOf(const Json& metrics) {
    const auto options = metrics.find("options");
    if (options == metrics.end() || !options->is_object() || !options->contains("alpha_fb") ||
        !options->contains("alpha_rb")) {
        return std::nullopt;
    }
    return Thresholds{threshold(options->at("alpha_fb")), threshold(options->at("alpha_rb"))};
}

} // namespace lathe
