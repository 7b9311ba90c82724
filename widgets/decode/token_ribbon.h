// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "widgets/decode/ribbon_layout.h"
#include "widgets/decode/token_card.h"

#include <QAbstractScrollArea>
#include <QTimer>

namespace lathe {

/// The text as chips in reading order, each with what became of it. Proposals that are not in the
/// text are folded into small marks. Only what is seen is painted, and only what changed is laid
/// out again.
class TokenRibbon : public QAbstractScrollArea {
    Q_OBJECT
public:
    explicit TokenRibbon(QWidget* parent = nullptr);
    ~TokenRibbon() override;

    /// Not owned; nullptr: empty. Call again when it became another one.
    void setStory(const DecodeStory* story);
    /// State after so many events. To be called after each growth of the story, too.
    void setCursor(int events);
    void setSelected(int life); ///< -1: none; does not emit
    int selected() const;
    /// The likeliest tokens of both models at the place of a life, for the card.
    void
    setCandidates(int life, const Candidates& little, const Candidates& big, const QString& note);

    void setWhitespaceShown(bool shown);
    void setIdsShown(bool shown);
    void setProbabilitiesShown(bool shown);
    void setAllShown(bool shown); ///< unfolds everything
    const RibbonOptions& options() const { return m_options; }
    void setProvenance(const QString& text) { m_provenance = text; }

    /// Writes PNG or SVG by the suffix, all of the text, in the light theme with the legend; as
    /// high as that takes. `error` says why not.
    bool exportTo(const QString& path, QSize pixels, QString* error, double scale = 1.0) const;

    const RibbonLayout& chips() const { return m_layout; }
    int paintedChips() const { return m_painted; } ///< of the last frame
    const TokenCard& card() const { return *m_card; }

signals:
    void lifeSelected(int life);
    void lifeHovered(int life, QPoint global); ///< -1: the pointer left

private:
    void paintEvent(QPaintEvent* event) override;
    void resizeEvent(QResizeEvent* event) override;
    void scrollContentsBy(int dx, int dy) override;
    void changeEvent(QEvent* event) override;
    void mousePressEvent(QMouseEvent* event) override;
    void mouseMoveEvent(QMouseEvent* event) override;
    bool viewportEvent(QEvent* event) override;
    void keyPressEvent(QKeyEvent* event) override;
    void focusInEvent(QFocusEvent* event) override;
    void focusOutEvent(QFocusEvent* event) override;

    void relayout();
    void updateScroll(bool follow);
    void setOptions(const RibbonOptions& options);
    QPointF toContent(const QPointF& viewport) const;
    QRect itemOnScreen(int item) const;
    void choose(int item);
    void chooseBeside(int from, int step);
    int rowMove(int item, int rows) const;
    void toggle(int item);
    void hover(int item, const QPoint& global);
    void showCard(int life, int item);
    void hideCard();
    void reveal(int item);
    void describe();
    void paint(QPainter& painter, const RibbonLayout& layout, const PaintLook& look) const;

    RibbonLayout m_layout;
    RibbonOptions m_options;
    ChipCache m_cache;
    std::int64_t m_selectedPos = -1; ///< a life's index moves when the story grows, its place not
    int m_selectedAttempt = 0;
    int m_hovered = -1; ///< item
    int m_painted = 0;
    QString m_provenance;
    TokenCard* m_card;
    QTimer m_cardTimer;
};

} // namespace lathe
