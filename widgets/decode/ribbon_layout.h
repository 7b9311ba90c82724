// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "widgets/decode/fate_style.h"

#include <QCache>
#include <QHash>
#include <QPixmap>

#include <set>

namespace lathe {

struct RibbonOptions {
    bool whitespace = false, ids = false, probabilities = false;
    bool unfolded = false; ///< all proposals that are not in the text, too
    bool operator==(const RibbonOptions&) const = default;
};

/// A chip, or the mark in place of folded proposals, or the one that folds them again.
struct RibbonItem {
    int life = -1;         ///< of a chip; of a mark the first life that it stands for
    int hidden = 0;        ///< lives that a mark stands for; 0: a chip
    bool open = false;     ///< of a mark: its lives are shown behind it
    std::int64_t last = 0; ///< the last position that it stands for
    double x = 0.0, width = 0.0;
    TokenFate fate = TokenFate::Drafted;

    bool isMark() const { return hidden > 0; }
};

/// Where each chip stands when a story is read in a certain width after some of its events. Moving
/// on by an event costs what stands behind the first change.
class RibbonLayout {
public:
    void setStory(const DecodeStory* story); ///< another one, or none
    void setLook(const QFont& font, double width, const RibbonOptions& options);
    /// State after so many events, of a story that may have grown.
    void setCursor(int events);
    int cursor() const { return m_cursor; }
    /// Shows or folds the proposals that a mark stands for.
    void toggle(int item);
    bool isUnfolded(std::int64_t pos) const;

    const DecodeStory* story() const { return m_story; }
    const RibbonOptions& options() const { return m_options; }
    const ChipMetrics& metrics() const { return m_metrics; }
    const std::vector<RibbonItem>& items() const { return m_items; }
    int rows() const { return static_cast<int>(m_rows.size()); }
    double rowHeight() const { return m_metrics.height + m_metrics.gap * 2.0; }
    double height() const { return rows() * rowHeight() + m_metrics.gap * 2.0; }
    int rowOf(int item) const;
    /// Items of a row: [first, second).
    std::pair<int, int> rowItems(int row) const;
    QRectF rectOf(int item) const;
    int itemAt(const QPointF& point) const; ///< -1: none
    /// The item that shows a life: its chip, or the mark that it is folded into; -1: none.
    int itemOf(int life) const;
    ChipText textOf(const RibbonItem& item) const;
    /// Items laid out since the beginning, to see how much is done again.
    std::int64_t laidOut() const { return m_laidOut; }

private:
    std::int64_t firstChange(int before, int after) const;
    void layOutFrom(std::int64_t pos);
    int placeFolded(int life, bool newWord);
    void place(RibbonItem item, bool newWord);
    bool isFolded(const TokenLife& life, TokenFate fate) const;
    double widthOf(const RibbonItem& item);

    const DecodeStory* m_story = nullptr;
    RibbonOptions m_options;
    ChipMetrics m_metrics{QFont()};
    double m_width = 0.0;
    int m_cursor = 0;
    int m_known = 0; ///< events of the story when it was laid out
    std::set<std::int64_t> m_toggled;
    std::vector<RibbonItem> m_items;
    std::vector<int> m_rows; ///< the first item of each
    QHash<TokenId, double> m_widths;
    std::int64_t m_laidOut = 0;
};

struct RibbonMarks {
    int selected = -1, hovered = -1; ///< items
};

/// Pictures of chips for the screen: most are seen again in the next frame. To be cleared when the
/// layout's look changes.
class ChipCache {
public:
    void clear() { m_pictures.clear(); }
    void paint(
        QPainter& painter, const RibbonLayout& layout, int item, const QRectF& rect,
        const PaintLook& look);

private:
    QCache<QString, QPixmap> m_pictures{4000};
};

/// Paints what lies within `visible`, in the layout's coordinates.
/// @param cache  for the screen; nullptr: everything is drawn as lines and text
/// @return the chips painted
int paintRibbon(
    QPainter& painter, const RibbonLayout& layout, const QRectF& visible, const RibbonMarks& marks,
    const PaintLook& look, ChipCache* cache = nullptr);

/// A piece as a chip shows it: without the space before a word, or with all of it visible.
QString chipPiece(const QString& piece, bool whitespace);

} // namespace lathe
