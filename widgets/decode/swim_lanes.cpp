// SPDX-License-Identifier: GPL-3.0-or-later
#include "widgets/decode/swim_lanes.h"

#include "widgets/decode/ribbon_layout.h"

#include <QAccessible>
#include <QHelpEvent>
#include <QKeyEvent>
#include <QLocale>
#include <QMouseEvent>
#include <QToolTip>

#include <algorithm>
#include <cmath>

namespace lathe {

namespace {

constexpr double kNsPerMs = 1e6;
constexpr double kNarrowestMs = 0.01;
constexpr double kKeyPan = 0.15;

QString milliseconds(double ms) { return QLocale().toString(ms, 'f', ms < 10.0 ? 2 : 1); }

} // namespace

std::vector<LaneBar>
laneBars(const DecodeStory& story, bool big, double low, double high, double pixel) {
    const std::vector<ModelCall>& calls = story.calls();
    const double start = static_cast<double>(story.timeOf(0));
    const auto ms = [start](std::int64_t ns) {
        return (static_cast<double>(ns) - start) / kNsPerMs;
    };
    // Calls follow each other in time, so the first that is seen is found without a walk.
    const auto seen = std::ranges::lower_bound(
        calls, low, {}, [&ms](const ModelCall& call) { return ms(call.t1Ns); });
    std::vector<LaneBar> bars;
    double wastedMs = 0.0;
    double workMs = 0.0;
    for (auto call = seen; call != calls.end() && ms(call->t0Ns) <= high; ++call) {
        if (call->big != big) {
            continue;
        }
        const int index = static_cast<int>(call - calls.begin());
        const double from = ms(call->t0Ns);
        const double to = ms(call->t1Ns);
        const bool joins = !bars.empty() && to - from < pixel && from - bars.back().to < pixel &&
                           bars.back().to - bars.back().from < 2.0 * pixel;
        if (!joins) {
            bars.push_back({index, index, from, to, false});
            wastedMs = workMs = 0.0;
        }
        LaneBar& bar = bars.back();
        bar.last = index;
        bar.to = to;
        workMs += to - from;
        wastedMs += call->wasted ? to - from : 0.0;
        bar.wasted = wastedMs > 0.5 * workMs;
    }
    return bars;
}

SwimLanes::SwimLanes(QWidget* parent) : PaintedChart(parent) {
    setSizePolicy(QSizePolicy::Expanding, QSizePolicy::Expanding);
    setAccessibleName(title());
    describe();
}

QString SwimLanes::title() const { return tr("Calls of both models over time"); }

QSize SwimLanes::sizeHint() const {
    return {fontMetrics().averageCharWidth() * 80, fontMetrics().height() * 11};
}
QSize SwimLanes::minimumSizeHint() const {
    return {fontMetrics().averageCharWidth() * 34, fontMetrics().height() * 9};
}

double SwimLanes::msOf(std::int64_t ns) const {
    const std::int64_t start = m_story != nullptr ? m_story->timeOf(0) : 0;
    return static_cast<double>(ns - start) / kNsPerMs;
}

double SwimLanes::playheadMs() const {
    return m_story != nullptr ? msOf(m_story->timeOf(m_cursor)) : 0.0;
}

void SwimLanes::setStory(const DecodeStory* story) {
    m_story = story;
    m_cursor = 0;
    m_selectedPos = -1;
    m_hovered = -1;
    m_alone.clear();
    updateLimits();
    fit();
    describe();
    update();
}

void SwimLanes::updateLimits() {
    const double end = m_story != nullptr ? msOf(m_story->endNs()) : 0.0;
    const double alone = m_alone.empty() ? 0.0 : m_alone.back();
    setLimits(0.0, std::max({end, alone, kNarrowestMs}) * 1.02, kNarrowestMs);
}

void SwimLanes::setCursor(int events) {
    m_cursor = events;
    updateLimits();
    const double head = playheadMs();
    if (!isFitted() && (head < rangeLow() || head > rangeHigh())) { // it has run out of sight
        const double width = rangeHigh() - rangeLow();
        setRange(head - 0.1 * width, head + 0.9 * width);
    }
    describe();
    update();
}

void SwimLanes::setAlone(std::vector<double> tokenMs) {
    std::erase_if(tokenMs, [](double ms) { return !std::isfinite(ms) || ms < 0.0; });
    std::ranges::sort(tokenMs);
    m_alone = std::move(tokenMs);
    updateLimits();
    describe();
    update();
}

void SwimLanes::setSelected(int life) {
    m_selectedPos = -1;
    if (m_story != nullptr && life >= 0 && life < static_cast<int>(m_story->lives().size())) {
        m_selectedPos = m_story->lives()[static_cast<std::size_t>(life)].pos;
        m_selectedAttempt = m_story->lives()[static_cast<std::size_t>(life)].attempt;
    }
    update();
}

/// What cannot change any more; drafts that wait for their verdict do not count.
int SwimLanes::pairTokens() const {
    if (m_story == nullptr) {
        return 0;
    }
    if (m_story->endedAt(m_cursor)) {
        return static_cast<int>(
            m_story->lengthAt(m_cursor) - static_cast<std::int64_t>(m_story->log().prompt.size()));
    }
    return static_cast<int>(std::ranges::count_if(m_story->lives(), [this](const TokenLife& life) {
        const std::optional<TokenFate> fate = life.fateAt(m_cursor);
        return fate && isInText(*fate) && *fate != TokenFate::Drafted;
    }));
}

int SwimLanes::aloneTokens() const {
    return static_cast<int>(std::ranges::upper_bound(m_alone, playheadMs()) - m_alone.begin());
}

QString SwimLanes::aheadText() const {
    const int pair = pairTokens();
    if (m_alone.empty()) {
        return tr("%n token(s) of the pair", nullptr, pair);
    }
    const int alone = aloneTokens();
    const QString lead = pair > alone   ? tr("%n ahead", nullptr, pair - alone)
                         : pair < alone ? tr("%n behind", nullptr, alone - pair)
                                        : tr("level");
    return tr("Pair %1, big model alone %2 tokens: %3").arg(pair).arg(alone).arg(lead);
}

void SwimLanes::describe() {
    const QString text = tr("At %1 ms. %2").arg(milliseconds(playheadMs()), aheadText());
    if (text != accessibleDescription()) {
        setAccessibleDescription(text);
        QAccessibleEvent event(this, QAccessible::DescriptionChanged);
        QAccessible::updateAccessibility(&event);
    }
}

void SwimLanes::clicked(const QPointF& at) {
    if (m_story != nullptr && !m_story->isEmpty()) {
        const double ms = std::max(0.0, toValue(at.x(), screenArea()));
        emit cursorChosen(
            m_story->eventsAt(m_story->timeOf(0) + static_cast<std::int64_t>(ms * kNsPerMs)));
    }
}

/// The call under the pointer.
int SwimLanes::callAt(const QPointF& at) const {
    const QRectF area = screenArea();
    if (m_story == nullptr || !area.contains(at)) {
        return -1;
    }
    const PaintLook look = PaintLook::ofScreen(*this);
    for (const bool big : {false, true}) {
        if (!laneOf(big ? 2 : 1, area, look).rect.contains(at)) {
            continue;
        }
        const double ms = toValue(at.x(), area);
        const double pixel = (rangeHigh() - rangeLow()) / area.width();
        for (const LaneBar& bar : laneBars(*m_story, big, ms - pixel, ms + pixel, 0.0)) {
            if (ms >= bar.from - pixel && ms <= bar.to + pixel) {
                return bar.first;
            }
        }
    }
    return -1;
}

/// What a call wrote: a draft or what was thrown away, or the big model's own token.
int SwimLanes::lifeOf(int call) const {
    const std::vector<ModelCall>& calls = m_story->calls();
    const int from = calls[static_cast<std::size_t>(call)].event;
    const int to = static_cast<std::size_t>(call) + 1 < calls.size()
                       ? calls[static_cast<std::size_t>(call) + 1].event
                       : m_story->events();
    for (int i = from; i < to; ++i) {
        const DecodeEvent& event = m_story->log().events[static_cast<std::size_t>(i)];
        const auto [first, last] = m_story->livesAt(event.pos);
        for (int life = first; life < last; ++life) {
            if (m_story->lives()[static_cast<std::size_t>(life)].born == i) {
                return life;
            }
        }
    }
    return -1;
}

QString SwimLanes::callText(int index) const {
    const ModelCall& call = m_story->calls()[static_cast<std::size_t>(index)];
    QStringList lines;
    switch (call.kind) {
    case DecodeEventKind::EncodeSmall:
    case DecodeEventKind::EncodeLarge:
        lines += tr("Encoder of the %1 model").arg(call.big ? tr("big") : tr("little"));
        break;
    case DecodeEventKind::PrefillSmall:
    case DecodeEventKind::PrefillLarge:
        lines += tr("Beginning of the %1 model: %n token(s) of the prompt", nullptr,
                    static_cast<int>(call.rows))
                     .arg(call.big ? tr("big") : tr("little"));
        break;
    case DecodeEventKind::Verify:
        lines += tr("Big model: %n token(s) fed", nullptr, static_cast<int>(call.rows));
        break;
    case DecodeEventKind::Fallback:
        lines += tr("Little model, too unsure: fallback");
        break;
    default:
        lines +=
            call.wasted ? tr("Little model: a draft, undone later") : tr("Little model: a draft");
    }
    const int life = lifeOf(index);
    if (life >= 0) {
        const TokenId token = m_story->lives()[static_cast<std::size_t>(life)].token;
        lines += QStringLiteral("“%1”").arg(chipPiece(m_story->piece(token), true));
    }
    lines += tr("%1 ms, from %2 ms on")
                 .arg(
                     milliseconds(static_cast<double>(call.t1Ns - call.t0Ns) / kNsPerMs),
                     milliseconds(msOf(call.t0Ns)));
    return lines.join(QLatin1Char('\n'));
}

void SwimLanes::mouseMoveEvent(QMouseEvent* event) {
    PaintedChart::mouseMoveEvent(event);
    const int call = isPanning() ? -1 : callAt(event->position());
    if (call != m_hovered) {
        m_hovered = call;
        update();
        emit lifeHovered(call >= 0 ? lifeOf(call) : -1, event->globalPosition().toPoint());
    }
}

void SwimLanes::leaveEvent(QEvent*) {
    if (m_hovered >= 0) {
        m_hovered = -1;
        update();
        emit lifeHovered(-1, QCursor::pos());
    }
}

bool SwimLanes::event(QEvent* event) {
    if (event->type() == QEvent::ToolTip) {
        auto* help = static_cast<QHelpEvent*>(event);
        const int call = callAt(help->pos());
        QToolTip::showText(help->globalPos(), call >= 0 ? callText(call) : QString(), this);
        return true;
    }
    return PaintedChart::event(event);
}

void SwimLanes::keyPressEvent(QKeyEvent* event) {
    const int events = m_story != nullptr ? m_story->events() : 0;
    switch (event->key()) {
    case Qt::Key_Left:
        return pan(-kKeyPan);
    case Qt::Key_Right:
        return pan(kKeyPan);
    case Qt::Key_Home:
        return fit();
    case Qt::Key_Period:
        emit cursorChosen(std::min(events, m_cursor + 1));
        return;
    case Qt::Key_Comma:
        emit cursorChosen(std::max(0, m_cursor - 1));
        return;
    default:
        PaintedChart::keyPressEvent(event);
    }
}

} // namespace lathe
