// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "widgets/base/painted_chart.h"
#include "widgets/decode/decode_story.h"

namespace lathe {

/// What a strip shows and which threshold its line is.
enum class StripKind {
    Confidence, ///< of the little model; below the line it falls back
    Distance,   ///< of its drafts, nats; above the line a draft is undone
};

/// The value of one position: of the last proposal there that has one.
struct StripValue {
    int life = -1;
    std::int64_t pos = 0;
    double value = 0.0;  ///< may be infinite
    bool agreed = false; ///< the big model would have written it: no distance undoes it
};

/// After the first `events` events, by position.
std::vector<StripValue> stripValues(const DecodeStory& story, StripKind kind, int events);
/// Whether a threshold hands over or undoes.
bool crosses(StripKind kind, const StripValue& value, double threshold);

/// One value per position as stems, and the threshold as a line to drag. What crosses it lights
/// up and is counted.
class ThresholdStrip : public PaintedChart {
    Q_OBJECT
public:
    explicit ThresholdStrip(StripKind kind, QWidget* parent = nullptr);

    void setStory(const DecodeStory* story); ///< not owned; nullptr: empty
    /// State after so many events. To be called after each growth of the story, too.
    void setCursor(int events);
    void setSelected(int life); ///< -1: none; does not emit
    int selected() const;
    void setThreshold(double value); ///< any; does not emit
    double threshold() const { return m_threshold; }

    const std::vector<StripValue>& values() const { return m_values; }
    int crossings() const;
    QString countText() const; ///< "3 of 27 below"
    double top() const;        ///< where the axis ends

    void paint(QPainter& painter, const QRectF& rect, const PaintLook& look) const override;
    QString title() const override;
    QSize sizeHint() const override;
    QSize minimumSizeHint() const override;

    /// For tests: where the line lies, and stems and merged columns of the last painting.
    double linePixel() const;
    int paintedStems() const { return m_painted; }

signals:
    void thresholdMoved(double value);  ///< while it is dragged
    void thresholdChosen(double value); ///< at its end, or by a key
    void lifeSelected(int life);
    void lifeHovered(int life, QPoint global); ///< -1: the pointer left

private:
    QRectF plotArea(const QRectF& rect, const PaintLook& look) const override;
    void clicked(const QPointF& at) override;
    void mousePressEvent(QMouseEvent* event) override;
    void mouseMoveEvent(QMouseEvent* event) override;
    void mouseReleaseEvent(QMouseEvent* event) override;
    void leaveEvent(QEvent* event) override;
    void keyPressEvent(QKeyEvent* event) override;

    double share(double value) const; ///< of the axis' height
    double valueAt(double y, const QRectF& area) const;
    double yOf(double value, const QRectF& area) const;
    bool isOnLine(const QPointF& at) const;
    const StripValue* nearest(double x) const;
    void choose(const StripValue* value);
    void step(int by);
    void moveThreshold(double value, bool done);
    void paintAxes(QPainter& painter, const QRectF& area, const PaintLook& look) const;
    void paintStems(QPainter& painter, const QRectF& area, const PaintLook& look) const;
    void paintColumns(QPainter& painter, const QRectF& area, const PaintLook& look) const;
    void paintStem(
        QPainter& painter, const QRectF& area, const StripValue& value, double width,
        const PaintLook& look) const;
    void paintLine(QPainter& painter, const QRectF& area, const PaintLook& look) const;
    void describe();

    StripKind m_kind;
    const DecodeStory* m_story = nullptr;
    int m_cursor = 0;
    std::vector<StripValue> m_values;
    double m_largest = 0.0; ///< finite value
    double m_threshold;
    std::int64_t m_selectedPos = -1;
    int m_selectedAttempt = 0;
    int m_hovered = -1; ///< life
    bool m_dragging = false;
    double m_dragTop = 0.0; ///< end of the axis during a drag
    mutable int m_painted = 0;
};

} // namespace lathe
