// SPDX-License-Identifier: GPL-3.0-or-later
#include "widgets/decode/fate_style.h"

#include "widgets/base/theme.h"

#include <QCoreApplication>
#include <QEvent>
#include <QFontMetricsF>
#include <QPainter>

#include <algorithm>
#include <cmath>

namespace lathe {

namespace {

constexpr double kSmaller = 0.72; ///< of the font, for marks and second lines
constexpr double kRadius = 3.0;

QString tr(const char* text) { return QCoreApplication::translate("FateLegend", text); }

QFont scaled(QFont font, double factor) {
    if (font.pointSizeF() > 0.0) {
        font.setPointSizeF(font.pointSizeF() * factor);
    } else {
        font.setPixelSize(std::max(1, qRound(font.pixelSize() * factor)));
    }
    return font;
}

QString legendText(TokenFate fate) {
    switch (fate) {
    case TokenFate::Drafted:
        return tr("drafted");
    case TokenFate::Agreed:
        return tr("agreed");
    case TokenFate::Tolerated:
        return tr("tolerated");
    case TokenFate::RolledBack:
        return tr("rolled back");
    case TokenFate::Flushed:
        return tr("flushed");
    case TokenFate::ThrownAway:
        return tr("thrown away (fallback)");
    case TokenFate::Big:
        return tr("big model");
    case TokenFate::Replacement:
        return tr("replacement");
    }
    return {};
}

/// The bar rises from the foot of the chip, in a trough as high as a confidence of 1.
void paintConfidence(
    QPainter& painter, const QRectF& rect, double confidence, const ChipMetrics& metrics,
    const QColor& ink) {
    const QRectF trough(rect.left() + 2.0, rect.top() + 2.0, metrics.bar, rect.height() - 4.0);
    QColor pale = ink;
    pale.setAlphaF(0.22F);
    painter.fillRect(trough, pale);
    QRectF bar = trough;
    bar.setTop(trough.bottom() - std::clamp(confidence, 0.0, 1.0) * trough.height());
    painter.fillRect(bar, ink);
}

void paintLines(
    QPainter& painter, const QRectF& text, const FateStyle& style, const ChipMetrics& metrics) {
    const double pen = std::max(1.0, metrics.lineHeight / 14.0);
    painter.setPen(QPen(style.ink, pen));
    if (style.struck) {
        const double y = text.top() + metrics.lineHeight * 0.55;
        painter.drawLine(QPointF(text.left() - 2.0, y), QPointF(text.right() + 2.0, y));
    }
    for (int i = 0; i < style.underlines; ++i) {
        const double y = text.top() + metrics.lineHeight - pen * (0.5 + 2.0 * i);
        painter.drawLine(QPointF(text.left(), y), QPointF(text.right(), y));
    }
}

} // namespace

FateStyle fateStyle(TokenFate fate, bool dark) {
    const QColor blue = Theme::series(0, dark);
    switch (fate) {
    case TokenFate::Drafted:
        return {.ink = Theme::muted(dark), .outline = Qt::DotLine};
    case TokenFate::Agreed:
        return {.ink = Theme::success(dark)};
    case TokenFate::Tolerated:
        return {.ink = Theme::warning(dark), .mark = QStringLiteral("≈")};
    case TokenFate::RolledBack:
        return {.ink = Theme::error(dark), .struck = true};
    case TokenFate::Flushed:
        return {
            .ink = Theme::error(dark), .outline = Qt::DashDotLine, .filled = false, .mark = "×"};
    case TokenFate::ThrownAway:
        return {.ink = Theme::muted(dark), .outline = Qt::DashLine, .filled = false, .mark = "F"};
    case TokenFate::Big:
        return {.ink = blue, .outline = Qt::NoPen, .underlines = 1};
    case TokenFate::Replacement:
        return {.ink = blue, .outline = Qt::NoPen, .underlines = 2, .mark = "R"};
    }
    return {};
}

ChipMetrics::ChipMetrics(const QFont& textFont, bool twoLines)
    : font(textFont), small(scaled(textFont, kSmaller)) {
    const QFontMetricsF metrics(font);
    const QFontMetricsF smallMetrics(small);
    lineHeight = std::ceil(metrics.height());
    smallHeight = twoLines ? std::ceil(smallMetrics.height()) : 0.0;
    height = lineHeight + smallHeight + 4.0;
    gap = std::max(2.0, std::round(lineHeight / 8.0));
    wordGap = std::max(6.0, std::round(lineHeight / 2.2));
    bar = std::max(3.0, std::round(lineHeight / 6.0));
    side = std::max(4.0, std::round(lineHeight / 4.5));
    markWidth = std::ceil(smallMetrics.horizontalAdvance(QLatin1Char('R'))) + 2.0;
}

void paintChip(
    QPainter& painter, const QRectF& rect, const ChipText& text, TokenFate fate, double confidence,
    const ChipMetrics& metrics, const PaintLook& look) {
    const FateStyle style = fateStyle(fate, look.dark);
    const QRectF frame = rect.adjusted(0.5, 0.5, -0.5, -0.5);
    QColor fill = style.ink;
    fill.setAlphaF(look.dark ? 0.20F : 0.11F);
    painter.setBrush(style.filled ? QBrush(fill) : QBrush(Qt::NoBrush));
    painter.setPen(
        style.outline == Qt::NoPen ? QPen(Qt::NoPen) : QPen(style.ink, 1.0, style.outline));
    painter.drawRoundedRect(frame, kRadius, kRadius);
    if (!std::isnan(confidence)) {
        paintConfidence(painter, rect, confidence, metrics, style.ink);
    }
    const double mark = style.mark.isEmpty() ? 0.0 : metrics.markWidth;
    const QRectF inner = rect.adjusted(
        metrics.bar + metrics.side + 1.0, 2.0, -metrics.side - mark, -2.0 - metrics.smallHeight);
    painter.setPen(isInText(fate) ? look.text() : Theme::muted(look.dark));
    painter.setFont(metrics.font);
    painter.drawText(inner, Qt::AlignLeft | Qt::AlignVCenter | Qt::TextSingleLine, text.piece);
    paintLines(painter, inner, style, metrics);
    if (mark > 0.0 || !text.below.isEmpty()) {
        painter.setFont(metrics.small);
        painter.setPen(style.ink);
        painter.drawText(
            QRectF(
                rect.right() - metrics.side - mark + 1.0, rect.top() + 1.0, mark + 2.0,
                rect.height()),
            Qt::AlignLeft | Qt::AlignTop | Qt::TextDontClip, style.mark);
        painter.setPen(Theme::muted(look.dark));
        painter.drawText(
            QRectF(inner.left(), inner.bottom(), rect.right() - inner.left(), metrics.smallHeight),
            Qt::AlignLeft | Qt::AlignVCenter | Qt::TextSingleLine, text.below);
    }
}

double paintFateLegend(QPainter* painter, const QRectF& rect, const PaintLook& look) {
    const QFont font = scaled(look.font, 0.9);
    const ChipMetrics metrics(font);
    const QFontMetricsF text(font);
    const QString sample = QStringLiteral("ab");
    double x = rect.left();
    double y = rect.top();
    for (int i = 0; i < kTokenFates; ++i) {
        const auto fate = static_cast<TokenFate>(i);
        const FateStyle style = fateStyle(fate, look.dark);
        const double chip = metrics.bar + 2.0 * metrics.side + 1.0 +
                            text.horizontalAdvance(sample) +
                            (style.mark.isEmpty() ? 0.0 : metrics.markWidth);
        const QString name = legendText(fate);
        const double label = std::ceil(text.horizontalAdvance(name)) + 2.0;
        const double width = chip + metrics.gap * 2.0 + label;
        if (x > rect.left() && x + width > rect.right()) {
            x = rect.left();
            y += metrics.height + metrics.gap;
        }
        if (painter != nullptr) {
            const bool little = fate != TokenFate::Big && fate != TokenFate::Replacement;
            paintChip(
                *painter, QRectF(x, y, chip, metrics.height), {sample}, fate,
                little ? 0.7 : kNotKnown, metrics, look);
            painter->setPen(look.text());
            painter->setFont(font);
            painter->drawText(
                QRectF(x + chip + metrics.gap * 2.0, y, label, metrics.height),
                Qt::AlignLeft | Qt::AlignVCenter, name);
        }
        x += width + metrics.wordGap * 1.5;
    }
    return y + metrics.height - rect.top();
}

FateLegend::FateLegend(QWidget* parent) : QWidget(parent) {
    QSizePolicy policy(QSizePolicy::Expanding, QSizePolicy::Minimum);
    policy.setHeightForWidth(true);
    setSizePolicy(policy);
    setAccessibleName(::lathe::tr("Legend of the tokens' fates"));
    QStringList all;
    for (int i = 0; i < kTokenFates; ++i) {
        all += fateText(static_cast<TokenFate>(i));
    }
    setAccessibleDescription(all.join(QStringLiteral("; ")));
}

int FateLegend::heightForWidth(int width) const {
    return qCeil(paintFateLegend(nullptr, QRectF(0, 0, width, 0), PaintLook::ofScreen(*this)));
}

QSize FateLegend::sizeHint() const {
    const int width = fontMetrics().averageCharWidth() * 60;
    return {width, heightForWidth(width)};
}

void FateLegend::paintEvent(QPaintEvent*) {
    QPainter painter(this);
    painter.setRenderHint(QPainter::Antialiasing);
    paintFateLegend(&painter, rect(), PaintLook::ofScreen(*this));
}

void FateLegend::changeEvent(QEvent* event) {
    QWidget::changeEvent(event);
    if (event->type() == QEvent::PaletteChange || event->type() == QEvent::FontChange) {
        updateGeometry();
        update();
    }
}

void FateLegend::resizeEvent(QResizeEvent*) { setMinimumHeight(heightForWidth(width())); }

} // namespace lathe
