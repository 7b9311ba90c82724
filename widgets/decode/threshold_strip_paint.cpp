// SPDX-License-Identifier: GPL-3.0-or-later
#include "widgets/base/theme.h"
#include "widgets/decode/threshold_strip.h"

#include <QFontMetricsF>
#include <QLocale>
#include <QPainter>

#include <algorithm>
#include <cmath>

/// The painted half of the strip.
namespace lathe {

namespace {

constexpr double kWidestStem = 14.0;
constexpr double kNarrowestStem = 3.0; ///< below, positions share columns
constexpr double kPad = 6.0;

QString number(double value) {
    return std::isinf(value) ? QString(QChar(0x221E)) : QLocale().toString(value, 'g', 4);
}

/// A triangle at the tip, which tells what lights up from the rest without its colour.
void paintTip(QPainter& painter, double x, double y, bool down, const QColor& colour) {
    constexpr double kSize = 4.0;
    const double tip = down ? y + kSize : y - kSize;
    painter.setPen(Qt::NoPen);
    painter.setBrush(colour);
    painter.drawPolygon(QPolygonF(
        {{x - kSize, y - (down ? kSize : -kSize)},
         {x + kSize, y - (down ? kSize : -kSize)},
         {x, tip}}));
}

} // namespace

QRectF ThresholdStrip::plotArea(const QRectF& rect, const PaintLook& look) const {
    const QFontMetricsF metrics(look.font);
    // The same on the left for every kind, so that positions stand above each other.
    const double left =
        metrics.height() + metrics.horizontalAdvance(QStringLiteral("00.00")) + 14.0;
    const double bottom = 2.0 * metrics.height() + 8.0;
    return rect.adjusted(left, metrics.height() + kPad, -2.0 * kPad, -bottom);
}

void ThresholdStrip::paint(QPainter& painter, const QRectF& rect, const PaintLook& look) const {
    painter.fillRect(rect, look.base());
    painter.setFont(look.font);
    const QRectF area = plotArea(rect, look);
    if (area.width() < 4.0 || area.height() < 4.0) {
        return;
    }
    painter.setRenderHint(QPainter::Antialiasing, false);
    paintAxes(painter, area, look);
    const double pixels = area.width() / (rangeHigh() - rangeLow());
    m_painted = 0;
    pixels < kNarrowestStem ? paintColumns(painter, area, look) : paintStems(painter, area, look);
    paintLine(painter, area, look);
    if (m_values.empty()) {
        painter.setPen(Theme::muted(look.dark));
        painter.drawText(
            area, Qt::AlignCenter,
            m_kind == StripKind::Confidence ? tr("No confidences yet")
                                            : tr("No draft has been judged yet"));
    }
}

void ThresholdStrip::paintAxes(QPainter& painter, const QRectF& area, const PaintLook& look) const {
    const QFontMetricsF metrics(look.font);
    const double line = metrics.height();
    std::vector<double> rows{0.0, 0.25, 0.5, 0.75, 1.0};
    if (m_kind == StripKind::Distance) {
        rows = {0.0, 0.5, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0, 200.0};
    }
    double below = std::numeric_limits<double>::max(); // of the label under this one
    for (const double value : rows) {
        const double y = yOf(value, area);
        if (value > top() || below - y < line) {
            continue;
        }
        below = y;
        painter.setPen(look.grid());
        painter.drawLine(QPointF(area.left(), y), QPointF(area.right(), y));
        painter.setPen(look.text());
        painter.drawText(
            QRectF(area.left() - 60.0 - 6.0, y - line / 2.0, 60.0, line),
            Qt::AlignRight | Qt::AlignVCenter | Qt::TextDontClip,
            QLocale().toString(value, 'g', 3));
    }
    const double wide = metrics.horizontalAdvance(QStringLiteral("000000"));
    const int most = std::max(1, static_cast<int>(area.width() / std::max(wide, 1.0)));
    for (const double value : roundTicks(rangeLow(), rangeHigh(), most, true)) {
        const double x = toPixel(value, area);
        painter.setPen(Theme::muted(look.dark));
        painter.drawLine(QPointF(x, area.bottom()), QPointF(x, area.bottom() + 4.0));
        painter.setPen(look.text());
        painter.drawText(
            QRectF(x - wide, area.bottom() + 4.0, 2.0 * wide, line), Qt::AlignCenter,
            QLocale().toString(value, 'f', 0));
    }
    painter.setPen(Theme::muted(look.dark));
    painter.drawLine(area.bottomLeft(), area.bottomRight());
    painter.drawLine(area.topLeft(), area.bottomLeft());
    painter.setPen(look.text());
    painter.drawText(
        QRectF(area.left(), area.bottom() + 4.0 + line, area.width(), line), Qt::AlignCenter,
        tr("Position (token)"));
    const QString name = m_kind == StripKind::Confidence ? tr("Confidence") : tr("Distance (nat)");
    if (metrics.horizontalAdvance(name) > area.height()) { // a low strip has it above
        painter.drawText(
            QRectF(area.left(), area.top() - line - 2.0, area.width(), line),
            Qt::AlignLeft | Qt::AlignVCenter, name);
        return;
    }
    painter.save();
    painter.translate(
        area.left() - metrics.horizontalAdvance(QStringLiteral("00.00")) - 12.0, area.center().y());
    painter.rotate(-90.0);
    painter.drawText(
        QRectF(-area.height(), -line, 2.0 * area.height(), line), Qt::AlignCenter, name);
    painter.restore();
}

void ThresholdStrip::paintStem(
    QPainter& painter, const QRectF& area, const StripValue& value, double width,
    const PaintLook& look) const {
    const bool over = crosses(m_kind, value, m_threshold);
    const double x = toPixel(static_cast<double>(value.pos), area);
    const double y = yOf(value.value, area);
    const QColor ink = over ? Theme::error(look.dark) : Theme::series(0, look.dark);
    QColor fill = ink;
    fill.setAlphaF(over ? 0.9F : 0.45F);
    painter.fillRect(QRectF(x - width / 2.0, y, width, area.bottom() - y), fill);
    painter.fillRect(QRectF(x - width / 2.0, y - 1.0, width, 2.0), ink);
    painter.setRenderHint(QPainter::Antialiasing, true);
    if (over && width >= 4.0) {
        paintTip(painter, x, y - 6.0, m_kind == StripKind::Confidence, ink);
    }
    if (std::isinf(value.value)) {
        painter.setPen(look.text());
        painter.drawText(
            QRectF(
                x - 20.0, area.top() - QFontMetricsF(look.font).height() - 6.0, 40.0,
                QFontMetricsF(look.font).height()),
            Qt::AlignCenter | Qt::TextDontClip, number(value.value));
    }
    if (!look.paper && (value.pos == m_selectedPos || value.life == m_hovered)) {
        painter.setPen(QPen(look.text(), value.pos == m_selectedPos ? 2.0 : 1.0));
        painter.setBrush(Qt::NoBrush);
        painter.drawRect(
            QRectF(x - width / 2.0 - 2.0, y - 2.0, width + 4.0, area.bottom() - y + 2.0));
    }
    painter.setRenderHint(QPainter::Antialiasing, false);
    ++m_painted;
}

void ThresholdStrip::paintStems(
    QPainter& painter, const QRectF& area, const PaintLook& look) const {
    const double pixels = area.width() / (rangeHigh() - rangeLow());
    const double width = std::min(kWidestStem, std::max(1.0, pixels * 0.65));
    const auto first = std::ranges::lower_bound(
        m_values, rangeLow(), {}, [](const StripValue& v) { return static_cast<double>(v.pos); });
    for (auto value = first;
         value != m_values.end() && static_cast<double>(value->pos) <= rangeHigh(); ++value) {
        paintStem(painter, area, *value, width, look);
    }
}

/// More positions than pixels: each column shows its least and its largest value, and lights up
/// if any of its values does.
void ThresholdStrip::paintColumns(
    QPainter& painter, const QRectF& area, const PaintLook& look) const {
    const QColor calm = Theme::series(0, look.dark);
    QColor pale = calm;
    pale.setAlphaF(0.45F);
    auto value = std::ranges::lower_bound(
        m_values, rangeLow(), {}, [](const StripValue& v) { return static_cast<double>(v.pos); });
    while (value != m_values.end() && static_cast<double>(value->pos) <= rangeHigh()) {
        constexpr double kColumn = 2.0; // pixels
        const auto columnOf = [&](const StripValue& v) {
            return std::floor(toPixel(static_cast<double>(v.pos), area) / kColumn);
        };
        const double column = columnOf(*value);
        double low = value->value;
        double high = value->value;
        bool over = false;
        bool marked = false;
        for (; value != m_values.end() && columnOf(*value) == column; ++value) {
            low = std::min(low, value->value);
            high = std::max(high, value->value);
            over = over || crosses(m_kind, *value, m_threshold);
            marked = marked || value->pos == m_selectedPos;
        }
        const double x = column * kColumn;
        const double top = yOf(high, area);
        const double least = yOf(low, area);
        painter.fillRect(QRectF(x, least, kColumn, area.bottom() - least), pale);
        painter.fillRect(
            QRectF(x, top, kColumn, std::max(2.0, least - top)),
            over ? Theme::error(look.dark) : calm);
        if (marked && !look.paper) {
            painter.fillRect(QRectF(x, area.top(), kColumn, area.height()), look.text());
        }
        ++m_painted;
    }
}

void ThresholdStrip::paintLine(QPainter& painter, const QRectF& area, const PaintLook& look) const {
    const QFontMetricsF metrics(look.font);
    const double y = yOf(m_threshold, area);
    const QColor ink = look.text();
    painter.setPen(QPen(ink, 2.0, Qt::DashLine));
    painter.drawLine(QPointF(area.left(), y), QPointF(area.right(), y));
    painter.setRenderHint(QPainter::Antialiasing, true);
    painter.setPen(look.text());
    painter.drawText(
        QRectF(area.left(), area.top() - metrics.height() - 4.0, area.width(), metrics.height()),
        Qt::AlignRight | Qt::AlignVCenter, countText());
    const QString text = number(m_threshold);
    const QSizeF size(metrics.horizontalAdvance(text) + 14.0, metrics.height() + 2.0);
    const double at =
        std::clamp(y - size.height() / 2.0, area.top(), area.bottom() - size.height());
    const QRectF pill(QPointF(area.right() - size.width(), at), size);
    painter.setPen(QPen(ink, m_dragging && !look.paper ? 2.0 : 1.0));
    painter.setBrush(look.base());
    painter.drawRoundedRect(pill, 4.0, 4.0);
    painter.setPen(look.text());
    painter.drawText(pill, Qt::AlignCenter, text);
    painter.setRenderHint(QPainter::Antialiasing, false);
}

} // namespace lathe
