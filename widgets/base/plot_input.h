// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "widgets/base/plot.h"

#include <QObject>
#include <QTimer>

#include <optional>
#include <vector>

class QRubberBand;

namespace lathe {

/// Mouse and keyboard of a plot. Zoom and pan act on the axes at once; everything else is told by
/// signal. Keeps the history of views (Alt+Left, Alt+Right).
class PlotInput : public QObject {
    Q_OBJECT
public:
    explicit PlotInput(QCustomPlot& plot);

    void setBoxZoom(bool on);
    bool boxZoom() const { return m_boxZoom; }
    /// Starts the history anew with the present view.
    void resetHistory();
    void back();
    void forward();
    void zoom(double factor);

signals:
    void viewChanged(); ///< by the user: from now on new data does not refit
    void fitRequested();
    void logToggled(Qt::Orientation axis);
    void gridToggled();
    void stepRequested(int direction);
    void activateRequested();
    void copyImageRequested();
    void copyDataRequested();
    void exportRequested();
    void selectionCleared();
    void hovered(QPointF pixel);
    void hoverLeft();
    void clicked(QPointF pixel);
    void doubleClicked(QPointF pixel);
    void menuRequested(QPoint global);

private:
    struct View {
        QCPRange x, y;
        bool operator==(const View& other) const { return x == other.x && y == other.y; }
    };
    bool eventFilter(QObject* object, QEvent* event) override;
    bool press(const QMouseEvent& event);
    bool move(const QMouseEvent& event);
    bool release(const QMouseEvent& event);
    bool wheel(const QWheelEvent& event);
    bool key(const QKeyEvent& event);
    bool letterKey(const QKeyEvent& event);
    void pan(const QPointF& from, const QPointF& to);
    void panKeys(int dx, int dy);
    void zoomBox(const QRectF& box);
    void apply(const View& view);
    void changed();
    View present() const;

    QCustomPlot& m_plot;
    QRubberBand* m_band;
    std::optional<QPointF> m_pressed;
    QPointF m_last;
    Qt::MouseButton m_button = Qt::NoButton;
    bool m_moved = false;
    bool m_boxZoom = false;
    std::vector<View> m_history;
    std::size_t m_position = 0;
    QTimer m_settle;
};

} // namespace lathe
