// SPDX-License-Identifier: GPL-3.0-or-later
#include "widgets/decode/ribbon_layout.h"

#include "widgets/base/theme.h"

#include <QCoreApplication>
#include <QFontMetricsF>
#include <QLocale>
#include <QPainter>

#include <algorithm>
#include <cmath>
#include <memory>

namespace lathe {

namespace {

constexpr double kMargin = 6.0; ///< around all chips

QString markText(const RibbonItem& item) {
    return (item.open ? QStringLiteral("↷%1") : QStringLiteral("↶%1")).arg(item.hidden);
}

bool beginsWord(const QString& piece) { return piece.startsWith(QLatin1Char(' ')); }

} // namespace

QString chipPiece(const QString& piece, bool whitespace) {
    QString text = piece;
    if (!whitespace && text.size() > 1 && beginsWord(text)) {
        text.remove(0, 1);
    }
    QString shown;
    for (const QChar c : text) {
        if (c == QLatin1Char('\n')) {
            shown += QChar(0x23CE);
        } else if (c == QLatin1Char('\t')) {
            shown += QChar(0x21E5);
        } else if (c.isSpace() && (whitespace || text.size() == 1)) {
            shown += QChar(0x2423);
        } else {
            shown += c.category() == QChar::Other_Control ? QChar(0xFFFD) : c;
        }
    }
    return shown.isEmpty() ? QString(QChar(0x2205)) : shown;
}

void RibbonLayout::setStory(const DecodeStory* story) {
    m_story = story;
    m_cursor = 0;
    m_known = 0;
    m_toggled.clear();
    m_widths.clear();
    layOutFrom(0);
}

void RibbonLayout::setLook(const QFont& font, double width, const RibbonOptions& options) {
    const bool sameWords = font == m_metrics.font && options == m_options;
    if (sameWords && width == m_width) {
        return;
    }
    m_options = options;
    m_width = width;
    if (!sameWords) {
        m_metrics = ChipMetrics(font, options.ids || options.probabilities);
        m_widths.clear();
    }
    layOutFrom(0);
}

void RibbonLayout::setCursor(int events) {
    if (m_story == nullptr) {
        return;
    }
    const int after = std::clamp(events, 0, m_story->events());
    if (after == m_cursor && m_known == m_story->events()) {
        return;
    }
    // What the story has grown by may have moved the lives behind.
    std::int64_t pos = std::min(
        firstChange(std::min(m_cursor, after), std::max(m_cursor, after)),
        firstChange(m_known, m_story->events()));
    pos = std::min({pos, m_story->lengthAt(m_cursor), m_story->lengthAt(after)});
    m_cursor = after;
    layOutFrom(pos);
}

/// The first position that the events between two states are about.
std::int64_t RibbonLayout::firstChange(int before, int after) const {
    std::int64_t pos = std::numeric_limits<std::int64_t>::max();
    for (int i = std::max(0, before); i < std::min(after, m_story->events()); ++i) {
        const DecodeEvent& event = m_story->log().events[static_cast<std::size_t>(i)];
        if (event.token >= 0) {
            pos = std::min(pos, event.pos);
        }
    }
    return pos;
}

void RibbonLayout::toggle(int item) {
    const RibbonItem mark = m_items[static_cast<std::size_t>(item)];
    int left = mark.hidden;
    std::set<std::int64_t> positions;
    for (int life = mark.life; left > 0; ++life) {
        const TokenLife& one = m_story->lives()[static_cast<std::size_t>(life)];
        if (one.fateAt(m_cursor)) {
            positions.insert(one.pos);
            --left;
        }
    }
    for (const std::int64_t pos : positions) {
        if (m_toggled.erase(pos) == 0) {
            m_toggled.insert(pos);
        }
    }
    if (!positions.empty()) {
        layOutFrom(*positions.begin());
    }
}

bool RibbonLayout::isUnfolded(std::int64_t pos) const {
    return m_options.unfolded != m_toggled.contains(pos);
}

/// What is not in the text goes as soon as the text has something else there, or is over.
bool RibbonLayout::isFolded(const TokenLife& life, TokenFate fate) const {
    return !isInText(fate) &&
           (life.pos < m_story->lengthAt(m_cursor) || m_story->endedAt(m_cursor));
}

void RibbonLayout::layOutFrom(std::int64_t pos) {
    m_known = m_story != nullptr ? m_story->events() : 0;
    const auto keep = std::ranges::lower_bound(m_items, pos, {}, &RibbonItem::last);
    m_items.erase(keep, m_items.end());
    // A mark belongs to what it stands for, which may have become more or less.
    while (!m_items.empty() && (m_items.back().isMark() || !isInText(m_items.back().fate))) {
        m_items.pop_back();
    }
    while (!m_rows.empty() && m_rows.back() >= static_cast<int>(m_items.size())) {
        m_rows.pop_back();
    }
    if (m_story == nullptr || m_width <= 0.0) {
        return;
    }
    const int count = static_cast<int>(m_story->lives().size());
    bool marked = false;
    for (int next = m_items.empty() ? 0 : m_items.back().life + 1; next < count;) {
        const TokenLife& life = m_story->lives()[static_cast<std::size_t>(next)];
        const std::optional<TokenFate> fate = life.fateAt(m_cursor);
        const bool word = beginsWord(m_story->piece(life.token)) && !marked;
        if (fate && isFolded(life, *fate)) {
            next = placeFolded(next, word);
            marked = true;
        } else if (fate) {
            place({.life = next++, .last = life.pos, .fate = *fate}, word);
            marked = false;
        } else {
            ++next; // not written yet
        }
    }
}

/// The mark in place of all folded lives from this one on, and themselves if they are to be seen.
/// @return the next life
int RibbonLayout::placeFolded(int life, bool newWord) {
    const std::vector<TokenLife>& lives = m_story->lives();
    const TokenLife& first = lives[static_cast<std::size_t>(life)];
    RibbonItem mark{.life = life, .open = isUnfolded(first.pos), .last = first.pos};
    std::vector<RibbonItem> chips;
    int next = life;
    for (; next < static_cast<int>(lives.size()); ++next) {
        const TokenLife& one = lives[static_cast<std::size_t>(next)];
        const std::optional<TokenFate> fate = one.fateAt(m_cursor);
        if (!fate) {
            continue;
        }
        if (!isFolded(one, *fate) || isUnfolded(one.pos) != mark.open) {
            break;
        }
        ++mark.hidden;
        chips.push_back({.life = next, .last = one.pos, .fate = *fate});
    }
    mark.last = mark.open ? mark.last : chips.back().last;
    place(mark, newWord);
    for (const RibbonItem& chip : chips) {
        if (mark.open) {
            place(chip, false);
        }
    }
    return next;
}

void RibbonLayout::place(RibbonItem item, bool newWord) {
    ++m_laidOut;
    item.width = std::min(widthOf(item), std::max(1.0, m_width - 2.0 * kMargin));
    item.x = kMargin;
    if (!m_items.empty()) {
        const RibbonItem& before = m_items.back();
        item.x = before.x + before.width + (newWord ? m_metrics.wordGap : m_metrics.gap);
    }
    if (m_items.empty() || item.x + item.width > m_width - kMargin) {
        item.x = kMargin;
        m_rows.push_back(static_cast<int>(m_items.size()));
    }
    m_items.push_back(item);
}

double RibbonLayout::widthOf(const RibbonItem& item) {
    if (item.isMark()) {
        return std::ceil(QFontMetricsF(m_metrics.font).horizontalAdvance(markText(item))) +
               m_metrics.gap;
    }
    const TokenLife& life = m_story->lives()[static_cast<std::size_t>(item.life)];
    // The second line hangs on more than the token.
    const bool known = m_metrics.smallHeight == 0.0 && m_widths.contains(life.token);
    double width = m_widths.value(life.token);
    if (!known) {
        const ChipText text = textOf(item);
        width = std::max(
            QFontMetricsF(m_metrics.font).horizontalAdvance(text.piece),
            QFontMetricsF(m_metrics.small).horizontalAdvance(text.below));
        width = std::ceil(width);
        m_widths.insert(life.token, width);
    }
    const bool marked = !fateStyle(item.fate, false).mark.isEmpty();
    return width + m_metrics.bar + 2.0 * m_metrics.side + 1.0 +
           (marked ? m_metrics.markWidth : 0.0);
}

ChipText RibbonLayout::textOf(const RibbonItem& item) const {
    if (item.isMark()) {
        return {markText(item)};
    }
    const TokenLife& life = m_story->lives()[static_cast<std::size_t>(item.life)];
    QStringList below;
    if (m_options.ids) {
        below += QString::number(life.token);
    }
    if (m_options.probabilities) {
        const double p = std::isnan(life.c) && life.argmaxL == life.token ? life.pLArgmax : life.c;
        below += std::isnan(p) ? QStringLiteral("–") : QLocale().toString(p, 'f', 2);
    }
    return {
        chipPiece(m_story->piece(life.token), m_options.whitespace),
        below.join(QStringLiteral(" · "))};
}

int RibbonLayout::rowOf(int item) const {
    return static_cast<int>(std::ranges::upper_bound(m_rows, item) - m_rows.begin()) - 1;
}

std::pair<int, int> RibbonLayout::rowItems(int row) const {
    const auto at = static_cast<std::size_t>(row);
    return {m_rows[at], at + 1 < m_rows.size() ? m_rows[at + 1] : static_cast<int>(m_items.size())};
}

QRectF RibbonLayout::rectOf(int item) const {
    const RibbonItem& one = m_items[static_cast<std::size_t>(item)];
    return {one.x, m_metrics.gap * 2.0 + rowOf(item) * rowHeight(), one.width, m_metrics.height};
}

int RibbonLayout::itemAt(const QPointF& point) const {
    const double row = std::floor((point.y() - m_metrics.gap) / rowHeight());
    if (row < 0.0 || row >= rows()) {
        return -1;
    }
    const auto [first, last] = rowItems(static_cast<int>(row));
    for (int i = first; i < last; ++i) {
        const RibbonItem& item = m_items[static_cast<std::size_t>(i)];
        if (point.x() >= item.x && point.x() < item.x + item.width) {
            return i;
        }
    }
    return -1;
}

int RibbonLayout::itemOf(int life) const {
    auto item = std::ranges::upper_bound(m_items, life, {}, &RibbonItem::life);
    if (life < 0 || item == m_items.begin()) {
        return -1;
    }
    --item; // behind an open mark stands the chip of the same life
    const TokenLife& wanted = m_story->lives()[static_cast<std::size_t>(life)];
    const bool shows =
        item->life == life || (item->isMark() && !item->open && wanted.pos <= item->last);
    return shows && wanted.fateAt(m_cursor) ? static_cast<int>(item - m_items.begin()) : -1;
}

namespace {

void paintMark(
    QPainter& painter, const QRectF& rect, const QString& text, const ChipMetrics& metrics,
    const PaintLook& look) {
    painter.setPen(Theme::muted(look.dark));
    painter.setBrush(Qt::NoBrush);
    painter.setFont(metrics.font);
    painter.drawText(rect, Qt::AlignCenter | Qt::TextSingleLine, text);
}

void paintRing(QPainter& painter, const QRectF& rect, double pen, const PaintLook& look) {
    painter.setPen(QPen(look.text(), pen));
    painter.setBrush(Qt::NoBrush);
    painter.drawRoundedRect(rect.adjusted(-1.5, -1.5, 1.5, 1.5), 4.0, 4.0);
}

} // namespace

void ChipCache::paint(
    QPainter& painter, const RibbonLayout& layout, int item, const QRectF& rect,
    const PaintLook& look) {
    const RibbonItem& one = layout.items()[static_cast<std::size_t>(item)];
    const TokenLife& life = layout.story()->lives()[static_cast<std::size_t>(one.life)];
    const ChipText text = layout.textOf(one);
    // A bar is no higher than fifty pixels or so: hundredths do.
    const int confidence = std::isnan(life.c) ? -1 : qRound(life.c * 100.0);
    const QString key = QStringLiteral("%1/%2/%3/%4/%5")
                            .arg(static_cast<int>(one.fate))
                            .arg(confidence)
                            .arg(look.dark)
                            .arg(text.below, text.piece);
    const QPixmap* known = m_pictures.object(key);
    if (known == nullptr) {
        const double ratio = painter.device()->devicePixelRatioF();
        auto picture = std::make_unique<QPixmap>((rect.size() * ratio).toSize());
        picture->setDevicePixelRatio(ratio);
        picture->fill(Qt::transparent);
        QPainter chip(picture.get());
        chip.setRenderHint(QPainter::Antialiasing);
        paintChip(
            chip, QRectF(QPointF(0, 0), rect.size()), text, one.fate, life.c, layout.metrics(),
            look);
        chip.end();
        painter.drawPixmap(rect.topLeft(), *picture);
        m_pictures.insert(key, picture.release());
        return;
    }
    painter.drawPixmap(rect.topLeft(), *known);
}

int paintRibbon(
    QPainter& painter, const RibbonLayout& layout, const QRectF& visible, const RibbonMarks& marks,
    const PaintLook& look, ChipCache* cache) {
    painter.setRenderHint(QPainter::Antialiasing);
    const double height = layout.rowHeight();
    const int first = std::max(0, static_cast<int>(std::floor(visible.top() / height)) - 1);
    int painted = 0;
    for (int row = first; row < layout.rows() && row * height < visible.bottom(); ++row) {
        const auto [from, to] = layout.rowItems(row);
        for (int i = from; i < to; ++i, ++painted) {
            const RibbonItem& item = layout.items()[static_cast<std::size_t>(i)];
            const QRectF rect = layout.rectOf(i);
            if (item.isMark()) {
                paintMark(painter, rect, layout.textOf(item).piece, layout.metrics(), look);
            } else if (cache != nullptr) {
                cache->paint(painter, layout, i, rect, look);
            } else {
                const TokenLife& life =
                    layout.story()->lives()[static_cast<std::size_t>(item.life)];
                paintChip(
                    painter, rect, layout.textOf(item), item.fate, life.c, layout.metrics(), look);
            }
            if (!look.paper && (i == marks.selected || i == marks.hovered)) {
                paintRing(painter, rect, i == marks.selected ? 2.0 : 1.0, look);
            }
        }
    }
    return painted;
}

} // namespace lathe
