// SPDX-License-Identifier: GPL-3.0-or-later
#include "widgets/base/theme.h"
#include "widgets/decode/ribbon_layout.h"
#include "widgets/decode/swim_lanes.h"

#include <QFontMetricsF>
#include <QLocale>
#include <QPainter>

#include <algorithm>
#include <array>
#include <cmath>

/// The painted half of the lanes.
namespace lathe {

namespace {

constexpr int kLanes = 3; ///< the big model alone, little, big
constexpr double kPad = 8.0;
constexpr double kLeastArrowGap = 9.0; ///< pixels between arrows
constexpr double kAhead = 0.30;        ///< opacity of what the playhead has not reached

/// Lines drawn by hand: pattern brushes are not for files.
void hatch(QPainter& painter, const QRectF& rect, const QColor& ink) {
    constexpr double kStep = 5.0;
    painter.setPen(QPen(ink, 1.0));
    for (double at = kStep - rect.height(); at < rect.width(); at += kStep) {
        const double from = std::max(at, 0.0);
        const double to = std::min(at + rect.height(), rect.width());
        painter.drawLine(
            QPointF(rect.left() + from, rect.bottom() - (from - at)),
            QPointF(rect.left() + to, rect.bottom() - (to - at)));
    }
}

/// Upright, so that its line needs no smoothing.
void paintArrow(QPainter& painter, QPointF from, QPointF to, const QPen& pen) {
    constexpr double kHead = 4.0;
    painter.setRenderHint(QPainter::Antialiasing, false);
    painter.setPen(pen);
    painter.drawLine(from, to);
    const double way = to.y() > from.y() ? -1.0 : 1.0;
    painter.setRenderHint(QPainter::Antialiasing, true);
    painter.setPen(Qt::NoPen);
    painter.setBrush(pen.color());
    painter.drawPolygon(QPolygonF(
        {to,
         {to.x() - kHead, to.y() + way * 1.6 * kHead},
         {to.x() + kHead, to.y() + way * 1.6 * kHead}}));
}

} // namespace

QRectF SwimLanes::plotArea(const QRectF& rect, const PaintLook& look) const {
    const QFontMetricsF metrics(look.font);
    double left = 0.0;
    for (const QString& name : {tr("Big alone"), tr("Little"), tr("Big")}) {
        left = std::max(left, metrics.horizontalAdvance(name));
    }
    return rect.adjusted(
        left + 2.0 * kPad, metrics.height() + kPad, -kPad * 1.5, -2.0 * metrics.height() - 6.0);
}

SwimLanes::Lane SwimLanes::laneOf(int index, const QRectF& area, const PaintLook& look) const {
    // The two that belong together stand closer to each other than the race above them.
    static constexpr std::array kTops{0.04, 0.34, 0.74};
    static constexpr std::array kHeights{0.14, 0.22, 0.22};
    static constexpr std::array kColours{9, 1, 0};
    const auto i = static_cast<std::size_t>(std::clamp(index, 0, kLanes - 1));
    return {
        QRectF(
            area.left(), area.top() + kTops[i] * area.height(), area.width(),
            kHeights[i] * area.height()),
        Theme::series(kColours[i], look.dark)};
}

void SwimLanes::paint(QPainter& painter, const QRectF& rect, const PaintLook& look) const {
    painter.fillRect(rect, look.base());
    painter.setFont(look.font);
    const QRectF area = plotArea(rect, look);
    if (area.width() < 4.0 || area.height() < 4.0) {
        return;
    }
    m_painted = 0;
    painter.setRenderHint(QPainter::Antialiasing, false);
    paintAxis(painter, area, look);
    if (m_story == nullptr || m_story->calls().empty()) {
        painter.setPen(Theme::muted(look.dark));
        painter.drawText(area, Qt::AlignCenter, tr("No calls yet"));
        return;
    }
    paintAlone(painter, area, look);
    paintLane(painter, false, area, look);
    paintLane(painter, true, area, look);
    painter.setRenderHint(QPainter::Antialiasing, true);
    paintArrows(painter, area, look);
    paintPlayhead(painter, area, look);
}

void SwimLanes::paintAxis(QPainter& painter, const QRectF& area, const PaintLook& look) const {
    const QFontMetricsF metrics(look.font);
    const double line = metrics.height();
    const double wide = metrics.horizontalAdvance(QStringLiteral("0000.00"));
    const int most = std::max(1, static_cast<int>(area.width() / wide));
    for (const double ms : roundTicks(rangeLow(), rangeHigh(), most, false)) {
        const double x = toPixel(ms, area);
        painter.setPen(look.grid());
        painter.drawLine(QPointF(x, area.top()), QPointF(x, area.bottom() + 4.0));
        painter.setPen(look.text());
        painter.drawText(
            QRectF(x - wide, area.bottom() + 3.0, 2.0 * wide, line), Qt::AlignCenter,
            QLocale().toString(ms, 'g', 6));
    }
    painter.setPen(Theme::muted(look.dark));
    painter.drawLine(area.bottomLeft(), area.bottomRight());
    painter.setPen(look.text());
    painter.drawText(
        QRectF(area.left(), area.bottom() + 3.0 + line, area.width(), line), Qt::AlignCenter,
        tr("Time (ms)"));
    const std::array names{tr("Big alone"), tr("Little"), tr("Big")};
    for (int i = 0; i < kLanes; ++i) {
        const Lane lane = laneOf(i, area, look);
        QColor ground = lane.ink;
        ground.setAlphaF(look.dark ? 0.10F : 0.07F);
        painter.fillRect(lane.rect, ground);
        painter.setPen(look.text());
        painter.drawText(
            QRectF(0, lane.rect.center().y() - line / 2.0, area.left() - kPad, line),
            Qt::AlignRight | Qt::AlignVCenter, names[static_cast<std::size_t>(i)]);
    }
}

/// One tick per token; the first pixel that a tick would share with another stays as it is.
void SwimLanes::paintAlone(QPainter& painter, const QRectF& area, const PaintLook& look) const {
    const Lane lane = laneOf(0, area, look);
    if (m_alone.empty()) {
        painter.setPen(Theme::muted(look.dark));
        painter.drawText(lane.rect, Qt::AlignCenter, tr("not measured"));
        return;
    }
    QColor ahead = lane.ink;
    ahead.setAlphaF(static_cast<float>(kAhead));
    const double head = playheadMs();
    const QRectF done(
        area.left(), lane.rect.center().y() - 1.0,
        std::clamp(toPixel(std::min(head, m_alone.back()), area) - area.left(), 0.0, area.width()),
        2.0);
    painter.fillRect(done, lane.ink);
    double before = -2.0;
    for (auto ms = std::ranges::lower_bound(m_alone, rangeLow());
         ms != m_alone.end() && *ms <= rangeHigh(); ++ms) {
        const double x = std::round(toPixel(*ms, area));
        if (x - before < 2.0) {
            continue;
        }
        before = x;
        painter.fillRect(
            QRectF(x - 1.0, lane.rect.top(), 2.0, lane.rect.height()),
            *ms <= head ? lane.ink : ahead);
        ++m_painted;
    }
}

void SwimLanes::paintLane(
    QPainter& painter, bool big, const QRectF& area, const PaintLook& look) const {
    const Lane lane = laneOf(big ? 2 : 1, area, look);
    const double pixel = (rangeHigh() - rangeLow()) / area.width();
    const double head = playheadMs();
    const int chosen = m_story->find(m_selectedPos, m_selectedAttempt);
    const int born = chosen >= 0 ? m_story->lives()[static_cast<std::size_t>(chosen)].born : -1;
    for (const LaneBar& bar : laneBars(*m_story, big, rangeLow(), rangeHigh(), pixel)) {
        const double left = std::max(area.left(), toPixel(bar.from, area));
        const double right = std::min(area.right(), toPixel(bar.to, area));
        const QRectF rect(left, lane.rect.top(), std::max(1.0, right - left), lane.rect.height());
        QColor ink = lane.ink;
        const bool reached = bar.to <= head * (1.0 + 1e-12);
        ink.setAlphaF(reached ? 1.0F : static_cast<float>(kAhead));
        QColor fill = ink;
        const ModelCall& call = m_story->calls()[static_cast<std::size_t>(bar.first)];
        const bool work =
            call.kind == DecodeEventKind::Draft || call.kind == DecodeEventKind::Verify;
        fill.setAlphaF(ink.alphaF() * (bar.wasted ? 0.12F : work ? 0.62F : 0.30F));
        painter.fillRect(rect, fill);
        if (rect.width() >= 4.0) {
            painter.setRenderHint(QPainter::Antialiasing, bar.wasted);
            if (bar.wasted) {
                hatch(painter, rect, ink);
            }
            painter.setRenderHint(QPainter::Antialiasing, false);
            painter.setPen(ink);
            painter.setBrush(Qt::NoBrush);
            painter.drawRect(rect.adjusted(0, 0, -1, -1));
            paintBarText(painter, bar, rect, look);
        }
        const auto& calls = m_story->calls();
        const std::size_t next = static_cast<std::size_t>(bar.last) + 1;
        const int end = next < calls.size() ? calls[next].event : m_story->events();
        const bool selected = born >= call.event && born < end;
        if (!look.paper && (selected || (m_hovered >= bar.first && m_hovered <= bar.last &&
                                         calls[static_cast<std::size_t>(m_hovered)].big == big))) {
            painter.setPen(QPen(look.text(), selected ? 2.0 : 1.0));
            painter.setBrush(Qt::NoBrush);
            painter.drawRect(rect.adjusted(-1, -2, 1, 2));
        }
        ++m_painted;
    }
}

void SwimLanes::paintBarText(
    QPainter& painter, const LaneBar& bar, const QRectF& rect, const PaintLook& look) const {
    if (bar.first != bar.last || rect.width() < 14.0) {
        return;
    }
    const ModelCall& call = m_story->calls()[static_cast<std::size_t>(bar.first)];
    QString text;
    switch (call.kind) {
    case DecodeEventKind::EncodeSmall:
    case DecodeEventKind::EncodeLarge:
        text = tr("encoder");
        break;
    case DecodeEventKind::PrefillSmall:
    case DecodeEventKind::PrefillLarge:
        text = tr("begin");
        break;
    case DecodeEventKind::Verify:
        text = QStringLiteral("%1").arg(call.rows);
        break;
    default:
        text = chipPiece(
            m_story->piece(m_story->log().events[static_cast<std::size_t>(call.event)].token),
            false);
    }
    if (QFontMetricsF(look.font).horizontalAdvance(text) + 6.0 <= rect.width() &&
        QFontMetricsF(look.font).height() <= rect.height()) {
        painter.setPen(look.text());
        painter.drawText(rect, Qt::AlignCenter | Qt::TextSingleLine, text);
    }
}

/// Down where the little model gives up, up where the big one undoes. Where they would touch each
/// other, one stands for all.
void SwimLanes::paintArrows(QPainter& painter, const QRectF& area, const PaintLook& look) const {
    const auto& events = m_story->log().events;
    double before = -1e9; ///< of any arrow
    double written = -1e9;
    const QFontMetricsF metrics(look.font);
    const QRectF little = laneOf(1, area, look).rect;
    const QRectF big = laneOf(2, area, look).rect;
    const double room = big.top() - little.bottom();
    const auto low = static_cast<std::int64_t>(rangeLow() * 1e6);
    for (int i = std::max(0, m_story->eventsAt(m_story->timeOf(0) + low) - 1);
         i < m_story->events(); ++i) {
        const DecodeEvent& event = events[static_cast<std::size_t>(i)];
        const bool fallback = event.kind == DecodeEventKind::Fallback;
        if (!fallback && event.kind != DecodeEventKind::Rollback) {
            continue;
        }
        const double x = std::round(toPixel(msOf(m_story->timeOf(i + 1)), area));
        if (x > area.right()) {
            break;
        }
        if (x < area.left() || x - before < kLeastArrowGap) {
            continue;
        }
        before = x;
        QColor ink = fallback ? look.text() : Theme::error(look.dark);
        ink.setAlphaF(i < m_cursor ? 1.0F : static_cast<float>(kAhead));
        const QPen pen(ink, 2.0, fallback ? Qt::SolidLine : Qt::DotLine);
        const QPointF top(x, little.bottom() + 1.0);
        const QPointF bottom(x, big.top() - 1.0);
        fallback ? paintArrow(painter, top, bottom, pen) : paintArrow(painter, bottom, top, pen);
        const double wide = metrics.horizontalAdvance(QLatin1Char('F'));
        if (room >= metrics.height() * 0.9 && x - written > wide + 2.0 * kLeastArrowGap) {
            written = x;
            painter.setPen(ink);
            painter.drawText(
                QRectF(x - wide - 5.0, little.bottom(), wide + 1.0, room), Qt::AlignCenter,
                fallback ? QStringLiteral("F") : QStringLiteral("↶"));
        }
        ++m_painted;
    }
}

void SwimLanes::paintPlayhead(QPainter& painter, const QRectF& area, const PaintLook& look) const {
    const QFontMetricsF metrics(look.font);
    const double head = playheadMs();
    painter.setPen(look.text());
    painter.drawText(
        QRectF(area.left(), area.top() - metrics.height() - 4.0, area.width(), metrics.height()),
        Qt::AlignLeft | Qt::AlignVCenter,
        tr("%1 ms · %2").arg(QLocale().toString(head, 'f', head < 10.0 ? 2 : 1), aheadText()));
    const double x = toPixel(head, area);
    if (x < area.left() - 0.5 || x > area.right() + 0.5) {
        return;
    }
    painter.setPen(QPen(look.text(), 2.0));
    painter.drawLine(QPointF(x, area.top() - 2.0), QPointF(x, area.bottom()));
    painter.setPen(Qt::NoPen);
    painter.setBrush(look.text());
    painter.drawPolygon(QPolygonF(
        {{x - 5.0, area.top() - 4.0}, {x + 5.0, area.top() - 4.0}, {x, area.top() + 4.0}}));
}

} // namespace lathe
