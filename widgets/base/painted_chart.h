// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <QFont>
#include <QWidget>

#include <vector>

namespace lathe {

/// How a picture is drawn: on screen as the program looks, on paper always light and without what
/// belongs to the moment (focus, hover, selection).
struct PaintLook {
    bool dark = false;
    bool paper = false;
    QFont font{};

    static PaintLook ofScreen(const QWidget& widget);
    static PaintLook ofPaper();
    QColor base() const;
    QColor text() const;
    QColor grid() const;
};

/// Round numbers within a range, at most `most` of them; whole ones if asked.
std::vector<double> roundTicks(double low, double high, int most, bool whole);
/// The ring around what has the keyboard.
void paintFocusRing(QPainter& painter, const QRectF& rect, const PaintLook& look);

/// A chart over one horizontal axis that paints itself: a range of it is shown, which wheel, drag
/// and keys (+ - 0) move. Screen and files come from the same paint().
class PaintedChart : public QWidget {
    Q_OBJECT
public:
    explicit PaintedChart(QWidget* parent = nullptr);

    /// Draws the whole chart, background included.
    virtual void paint(QPainter& painter, const QRectF& rect, const PaintLook& look) const = 0;
    virtual QString title() const = 0;

    void setRange(double low, double high); ///< cut to the limits; emits when it is another
    double rangeLow() const { return m_low; }
    double rangeHigh() const { return m_high; }
    void fit() { setRange(m_least, m_most); }
    bool isFitted() const { return m_low <= m_least && m_high >= m_most; }
    void zoom(double at, double factor); ///< below 1: closer, around a place on the axis
    void pan(double share);              ///< of what is shown

    /// Writes PNG or SVG by the suffix, in the light theme; `error` says why not.
    bool exportTo(const QString& path, QSize pixels, QString* error, double scale = 1.0) const;
    void setProvenance(const QString& text); ///< run ids, for the files' metadata

signals:
    void rangeChanged(double low, double high);

protected:
    /// Where the axis lies within the widget.
    virtual QRectF plotArea(const QRectF& rect, const PaintLook& look) const = 0;
    /// What there is to see, and the least width of it that can be shown. A chart that shows all
    /// of it goes on to do so.
    void setLimits(double least, double most, double narrowest);
    double toPixel(double value, const QRectF& area) const;
    double toValue(double pixel, const QRectF& area) const;
    QRectF screenArea() const;
    /// A left button's press and release without a drag between them.
    virtual void clicked(const QPointF& at) = 0;

    void paintEvent(QPaintEvent* event) override;
    void wheelEvent(QWheelEvent* event) override;
    void mousePressEvent(QMouseEvent* event) override;
    void mouseMoveEvent(QMouseEvent* event) override;
    void mouseReleaseEvent(QMouseEvent* event) override;
    void mouseDoubleClickEvent(QMouseEvent* event) override;
    void keyPressEvent(QKeyEvent* event) override;
    void changeEvent(QEvent* event) override;
    bool isPanning() const { return m_panning; }

private:
    double m_least = 0.0, m_most = 1.0, m_narrowest = 1.0;
    double m_low = 0.0, m_high = 1.0;
    QPointF m_pressed;
    double m_pressedLow = 0.0;
    bool m_down = false, m_panning = false;
    QString m_provenance;
};

} // namespace lathe
