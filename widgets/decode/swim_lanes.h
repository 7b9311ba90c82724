// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "widgets/base/painted_chart.h"
#include "widgets/decode/decode_story.h"

namespace lathe {

/// One bar of a lane: a call, or neighbours that are narrower than a pixel together.
struct LaneBar {
    int first = 0, last = 0;     ///< indices of calls
    double from = 0.0, to = 0.0; ///< ms
    bool wasted = false;         ///< most of its time
};

/// The bars of one lane that touch [low, high], merged where a call is narrower than `pixel` ms.
std::vector<LaneBar>
laneBars(const DecodeStory& story, bool big, double low, double high, double pixel);

/// The two models' calls in true time, the big model alone above them as a race, and where the
/// replay stands.
class SwimLanes : public PaintedChart {
    Q_OBJECT
public:
    explicit SwimLanes(QWidget* parent = nullptr);

    void setStory(const DecodeStory* story); ///< not owned; nullptr: empty. Forgets the race.
    /// The playhead: when so many events have happened. To be called after each growth, too.
    void setCursor(int events);
    /// When the big model alone ended each of its tokens, in ms; empty: not known.
    void setAlone(std::vector<double> tokenMs);
    void setSelected(int life); ///< marks the call that wrote it; -1: none

    /// "12 tokens of the pair, 7 of the big model alone: 5 ahead"
    QString aheadText() const;

    void paint(QPainter& painter, const QRectF& rect, const PaintLook& look) const override;
    QString title() const override;
    QSize sizeHint() const override;
    QSize minimumSizeHint() const override;
    int paintedBars() const { return m_painted; } ///< of the last painting

signals:
    void cursorChosen(int events);             ///< a click, or a step from the keyboard
    void lifeHovered(int life, QPoint global); ///< -1: the pointer left

private:
    struct Lane {
        QRectF rect;
        QColor ink;
    };

    QRectF plotArea(const QRectF& rect, const PaintLook& look) const override;
    void clicked(const QPointF& at) override;
    void mouseMoveEvent(QMouseEvent* event) override;
    void leaveEvent(QEvent* event) override;
    void keyPressEvent(QKeyEvent* event) override;
    bool event(QEvent* event) override;

    double playheadMs() const;
    double msOf(std::int64_t ns) const;
    int pairTokens() const;
    int aloneTokens() const;
    int callAt(const QPointF& at) const;
    int lifeOf(int call) const;
    QString callText(int call) const;
    void updateLimits();
    Lane laneOf(int index, const QRectF& area, const PaintLook& look) const;
    void paintAxis(QPainter& painter, const QRectF& area, const PaintLook& look) const;
    void paintAlone(QPainter& painter, const QRectF& area, const PaintLook& look) const;
    void paintLane(QPainter& painter, bool big, const QRectF& area, const PaintLook& look) const;
    void paintBarText(
        QPainter& painter, const LaneBar& bar, const QRectF& rect, const PaintLook& look) const;
    void paintArrows(QPainter& painter, const QRectF& area, const PaintLook& look) const;
    void paintPlayhead(QPainter& painter, const QRectF& area, const PaintLook& look) const;
    void describe();

    const DecodeStory* m_story = nullptr;
    int m_cursor = 0;
    std::vector<double> m_alone;
    std::int64_t m_selectedPos = -1;
    int m_selectedAttempt = 0;
    int m_hovered = -1; ///< call
    mutable int m_painted = 0;
};

} // namespace lathe
