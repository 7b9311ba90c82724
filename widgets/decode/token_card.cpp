// SPDX-License-Identifier: GPL-3.0-or-later
#include "widgets/decode/token_card.h"

#include "widgets/base/theme.h"
#include "widgets/decode/fate_style.h"
#include "widgets/decode/ribbon_layout.h"

#include <QEvent>
#include <QFontMetricsF>
#include <QLocale>
#include <QPainter>
#include <QScreen>

#include <algorithm>
#include <cmath>

namespace lathe {

namespace {

constexpr double kPad = 10.0;

QString probability(double value) { return QLocale().toString(value, 'f', 3); }

QString quoted(const QString& piece) { return QStringLiteral("“%1”").arg(chipPiece(piece, true)); }

QString tr(const char* text) { return TokenCard::tr(text); }

QString distanceText(double nats) {
    return std::isinf(nats) ? tr("∞ (impossible)")
                            : tr("%1 nat").arg(QLocale().toString(nats, 'f', 3));
}

} // namespace

std::vector<CardLine> lifeFacts(const DecodeStory& story, int life, int events) {
    const TokenLife& one = story.lives()[static_cast<std::size_t>(life)];
    const std::optional<TokenFate> fate = one.fateAt(events);
    const bool judged = one.judged >= 0 && one.judged < events;
    std::vector<CardLine> lines;
    lines.emplace_back(tr("Fate"), fate ? fateText(*fate) : tr("not written yet"));
    lines.emplace_back(tr("Position, id"), QStringLiteral("%1, %2").arg(one.pos).arg(one.token));
    if (!std::isnan(one.c)) {
        lines.emplace_back(tr("Confidence c"), probability(one.c));
    }
    if (judged && !std::isnan(one.d)) {
        lines.emplace_back(tr("Distance d"), distanceText(one.d));
        lines.emplace_back(tr("Big model's p"), probability(std::exp(-one.d)));
    }
    if (judged && one.argmaxL >= 0) {
        const bool own = one.argmaxL == one.token;
        const QString would = own ? tr("the same") : quoted(story.piece(one.argmaxL));
        lines.emplace_back(
            tr("Big model's choice"),
            std::isnan(one.pLArgmax)
                ? would
                : QStringLiteral("%1, %2").arg(would, probability(one.pLArgmax)));
    }
    const auto [first, last] = story.livesAt(one.pos);
    if (last - first > 1) {
        lines.emplace_back(tr("Attempt"), tr("%1 of %2").arg(one.attempt + 1).arg(last - first));
    }
    lines.emplace_back(tr("Call"), tr("%1 ms").arg(QLocale().toString(one.ms, 'f', 2)));
    return lines;
}

QString lifeText(const DecodeStory& story, int life, int events) {
    const TokenLife& one = story.lives()[static_cast<std::size_t>(life)];
    QStringList parts{quoted(story.piece(one.token))};
    for (const auto& [name, value] : lifeFacts(story, life, events)) {
        parts += QStringLiteral("%1: %2").arg(name, value);
    }
    return parts.join(QStringLiteral("; "));
}

TokenCard::TokenCard(QWidget* parent)
    : QFrame(parent, Qt::ToolTip | Qt::WindowTransparentForInput) {
    setAttribute(Qt::WA_ShowWithoutActivating);
    setAttribute(Qt::WA_TransparentForMouseEvents);
    setFocusPolicy(Qt::NoFocus);
    setAccessibleName(tr("Token"));
}

void TokenCard::setLife(const DecodeStory& story, int life, int events) {
    const TokenLife& one = story.lives()[static_cast<std::size_t>(life)];
    if (life != m_life) {
        m_little.clear();
        m_big.clear();
        m_note.clear();
    }
    m_life = life;
    m_piece = chipPiece(story.piece(one.token), true);
    m_fate = one.fateAt(events).value_or(TokenFate::Drafted);
    m_facts = lifeFacts(story, life, events);
    fitSize();
}

void TokenCard::setCandidates(
    const Candidates& little, const Candidates& big, const QString& note) {
    m_little = little;
    m_big = big;
    m_note = note;
    fitSize();
}

QString TokenCard::text() const {
    QStringList lines{m_piece};
    for (const auto& [name, value] : m_facts) {
        lines += QStringLiteral("%1\t%2").arg(name, value);
    }
    for (const auto& [title, list] :
         {std::pair(tr("Little model"), &m_little), {tr("Big model"), &m_big}}) {
        if (!list->empty()) {
            lines += title;
        }
        for (const auto& [piece, p] : *list) {
            lines += QStringLiteral("%1\t%2").arg(chipPiece(piece, true), probability(p));
        }
    }
    if (!m_note.isEmpty()) {
        lines += m_note;
    }
    return lines.join(QLatin1Char('\n'));
}

void TokenCard::fitSize() {
    setAccessibleDescription(text());
    resize(paintOn(nullptr).toSize());
    update();
}

void TokenCard::showBeside(const QRect& global) {
    QPoint at(global.left(), global.bottom() + 6);
    if (const QScreen* screen = QWidget::screen()) {
        const QRect room = screen->availableGeometry();
        if (at.y() + height() > room.bottom()) {
            at.setY(std::max(room.top(), global.top() - 6 - height()));
        }
        at.setX(std::clamp(at.x(), room.left(), std::max(room.left(), room.right() - width())));
    }
    move(at);
    show();
}

namespace {

/// One list: a bar as long as the probability behind each piece. @return its size
QSizeF paintList(
    QPainter* painter, const QPointF& at, double width, const QString& title,
    const Candidates& list, const QColor& ink, const PaintLook& look) {
    const QFontMetricsF metrics(look.font);
    const double line = std::ceil(metrics.height()) + 3.0;
    const double number = metrics.horizontalAdvance(probability(0.0)) + 6.0;
    double widest = metrics.horizontalAdvance(title);
    for (const auto& [piece, p] : list) {
        widest =
            std::max(widest, metrics.horizontalAdvance(chipPiece(piece, true)) + number + 14.0);
    }
    if (painter != nullptr) {
        painter->setPen(Theme::muted(look.dark));
        painter->drawText(QRectF(at.x(), at.y(), width, line), Qt::AlignVCenter, title);
        QColor pale = ink;
        pale.setAlphaF(look.dark ? 0.34F : 0.20F);
        for (std::size_t i = 0; i < list.size(); ++i) {
            const QRectF row(at.x(), at.y() + line * (static_cast<double>(i) + 1.0), width, line);
            QRectF bar = row.adjusted(0, 1, 0, -1);
            bar.setWidth(std::clamp(list[i].second, 0.0, 1.0) * width);
            painter->fillRect(bar, pale);
            painter->setPen(look.text());
            painter->drawText(
                row.adjusted(3, 0, -number, 0), Qt::AlignVCenter, chipPiece(list[i].first, true));
            painter->drawText(
                row.adjusted(0, 0, -3, 0), Qt::AlignVCenter | Qt::AlignRight,
                probability(list[i].second));
        }
    }
    return {widest, line * (static_cast<double>(list.size()) + 1.0)};
}

} // namespace

QSizeF TokenCard::paintOn(QPainter* painter) const {
    const PaintLook look = PaintLook::ofScreen(*this);
    QFont bold = look.font;
    bold.setBold(true);
    const QFontMetricsF metrics(look.font);
    const double line = std::ceil(metrics.height()) + 2.0;
    double names = 0.0;
    double values = 0.0;
    for (const auto& [name, value] : m_facts) {
        names = std::max(names, metrics.horizontalAdvance(name));
        values = std::max(values, metrics.horizontalAdvance(value));
    }
    const QSizeF little = paintList(nullptr, {}, 0, tr("Little model"), m_little, {}, look);
    const QSizeF big = paintList(nullptr, {}, 0, tr("Big model"), m_big, {}, look);
    const bool lists = !m_little.empty() || !m_big.empty();
    const double column = std::max({little.width(), big.width(), 8.0 * metrics.averageCharWidth()});
    const double body = std::max(
        {names + 14.0 + values, lists ? 2.0 * column + 14.0 : 0.0,
         metrics.horizontalAdvance(m_note), QFontMetricsF(bold).horizontalAdvance(m_piece)});
    if (painter != nullptr) {
        painter->setFont(bold);
        painter->setPen(look.text());
        painter->drawText(QRectF(kPad, kPad, body, line), Qt::AlignVCenter, m_piece);
        painter->setFont(look.font);
    }
    double y = kPad + line + 3.0;
    for (const auto& [name, value] : m_facts) {
        if (painter != nullptr) {
            painter->setPen(Theme::muted(look.dark));
            painter->drawText(QRectF(kPad, y, names + 4.0, line), Qt::AlignVCenter, name);
            painter->setPen(look.text());
            painter->drawText(
                QRectF(kPad + names + 14.0, y, values + 4.0, line), Qt::AlignVCenter, value);
        }
        y += line;
    }
    if (lists) {
        y += 6.0;
        if (painter != nullptr) {
            const double width = (body - 14.0) / 2.0;
            paintList(
                painter, {kPad, y}, width, tr("Little model"), m_little,
                Theme::series(1, look.dark), look);
            paintList(
                painter, {kPad + width + 14.0, y}, width, tr("Big model"), m_big,
                Theme::series(0, look.dark), look);
        }
        y += std::max(little.height(), big.height());
    }
    if (!m_note.isEmpty()) {
        if (painter != nullptr) {
            painter->setPen(Theme::muted(look.dark));
            painter->drawText(QRectF(kPad, y + 3.0, body + 4.0, line), Qt::AlignVCenter, m_note);
        }
        y += line + 3.0;
    }
    return {std::ceil(body + 2.0 * kPad), std::ceil(y + kPad)};
}

void TokenCard::paintEvent(QPaintEvent*) {
    QPainter painter(this);
    const QPalette palette = Theme::palette(Theme::isDark());
    painter.fillRect(rect(), palette.color(QPalette::ToolTipBase));
    painter.setPen(Theme::edge(Theme::isDark()));
    painter.drawRect(rect().adjusted(0, 0, -1, -1));
    painter.fillRect(QRect(0, 0, 4, height()), fateStyle(m_fate, Theme::isDark()).ink);
    paintOn(&painter);
}

void TokenCard::changeEvent(QEvent* event) {
    QFrame::changeEvent(event);
    if (event->type() == QEvent::PaletteChange || event->type() == QEvent::FontChange) {
        fitSize();
    }
}

} // namespace lathe
