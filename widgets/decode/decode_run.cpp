// SPDX-License-Identifier: GPL-3.0-or-later
#include "widgets/decode/decode_run.h"

#include "engine/core/error.h"
#include "widgets/base/followed_run.h"
#include "widgets/base/run_table_model.h"
#include "widgets/decode/drafter_text.h"

#include <QCoreApplication>

#include <algorithm>
#include <charconv>
#include <cmath>

namespace lathe {

namespace {

constexpr int kEventPage = 10000;

QString tr(const char* text) { return QCoreApplication::translate("DecodeRun", text); }

} // namespace

DecodeStory storyOf(const Json& metrics) {
    if (!metrics.is_object()) {
        throw FormatError("the results of a decoding are no object");
    }
    std::map<TokenId, QString> pieces;
    if (const auto known = metrics.find("pieces"); known != metrics.end() && known->is_object()) {
        for (const auto& [key, piece] : known->items()) {
            TokenId id = 0;
            const char* end = key.data() + key.size();
            if (std::from_chars(key.data(), end, id).ptr == end && piece.is_string()) {
                pieces[id] = QString::fromStdString(piece.get<std::string>());
            }
        }
    }
    return {decodeLogFromJson(metrics), std::move(pieces)};
}

std::vector<double> aloneTimes(const Json& metrics) {
    std::vector<double> times;
    const auto alone = metrics.find("alone");
    if (alone == metrics.end() || !alone->is_object() || !alone->contains("token_ms")) {
        return times;
    }
    for (const Json& time : alone->at("token_ms")) {
        if (time.is_number() && std::isfinite(time.get<double>())) {
            times.push_back(time.get<double>());
        }
    }
    return times;
}

void DecodeRun::takeMetrics(const Json& metrics) {
    m_story = storyOf(metrics);
    m_metrics = metrics;
    m_message.clear(); // of a live log that could not be followed
}

void DecodeRun::load(const RunRow& row, RunReader& reader) {
    DecodeRun fresh;
    fresh.m_id = row.id;
    fresh.m_spec = row.spec;
    fresh.m_state = row.state;
    fresh.m_message = QString::fromStdString(row.message);
    for (const CellRow& cell : reader.cells(row.id)) {
        if (cell.state == CellState::Done) {
            fresh.takeMetrics(cell.metrics);
        } else if (fresh.m_message.isEmpty()) {
            fresh.m_message = QString::fromStdString(cell.message);
        }
    }
    std::int64_t after = 0;
    for (bool more = !fresh.isMeasured(); more;) {
        const std::vector<Event> page = reader.events(row.id, after, kEventPage);
        for (const Event& event : page) {
            after = event.seq;
            if (std::holds_alternative<DecodeStep>(event.payload)) {
                fresh.apply(event);
            }
        }
        more = page.size() == std::size_t{kEventPage};
    }
    *this = std::move(fresh);
}

int DecodeRun::apply(const Event& event) {
    if (event.runId != m_id || m_id == 0) {
        return Nothing;
    }
    try {
        if (const auto* step = std::get_if<DecodeStep>(&event.payload)) {
            if (m_story.isEmpty()) { // how long the prompt is shows at once, what it is at the end
                DecodeLog log;
                log.prompt.assign(
                    static_cast<std::size_t>(std::max<std::int64_t>(step->event.n, 0)), -1);
                m_story = DecodeStory(std::move(log), {});
            }
            m_story.append(
                step->event, QString::fromStdString(step->piece),
                QString::fromStdString(step->argmaxPiece));
            return Steps;
        }
        if (const auto* cell = std::get_if<CellChanged>(&event.payload)) {
            if (cell->state == CellState::Done) {
                takeMetrics(cell->metrics);
                return Whole;
            }
            if (!cell->message.empty()) {
                m_message = QString::fromStdString(cell->message);
            }
            return Head;
        }
    } catch (const Error& e) {
        m_message = QString::fromUtf8(e.what()); // shown; the run itself goes on
        return Head;
    }
    if (const auto* progress = std::get_if<Progress>(&event.payload)) {
        m_phase = QString::fromStdString(progress->phase);
        return Head;
    }
    if (const auto* run = std::get_if<RunChanged>(&event.payload)) {
        m_state = run->state;
        if (!run->message.empty()) {
            m_message = QString::fromStdString(run->message);
        }
        m_cancelling = m_cancelling && isActive();
        return Head;
    }
    return Nothing;
}

QString DecodeRun::source() const {
    return QString::fromStdString(textOf(m_spec.params, "source"));
}

QString DecodeRun::headline() const {
    QStringList parts{tr("Run %1").arg(m_id)};
    const std::string strategy = textOf(m_spec.params, "strategy");
    parts << pairText(m_spec.params, strategy);
    if (!strategy.empty()) {
        parts << QString::fromStdString(strategy);
    }
    parts << (m_cancelling ? tr("cancelling…") : runStateText(m_state));
    if (isActive() && !m_phase.isEmpty()) {
        parts << m_phase;
    } else if (!isActive() && !m_message.isEmpty()) {
        parts << m_message;
    }
    return parts.join(QStringLiteral(" · "));
}

} // namespace lathe
