// SPDX-License-Identifier: GPL-3.0-or-later
#include "widgets/base/painted_chart.h"

#include "widgets/base/picture_file.h"
#include "widgets/base/plot_accessible.h"
#include "widgets/base/plot_export.h"
#include "widgets/base/theme.h"

#include <QApplication>
#include <QKeyEvent>
#include <QMouseEvent>
#include <QPainter>
#include <QWheelEvent>

#include <algorithm>
#include <cmath>

namespace lathe {

namespace {

constexpr int kPaperFontPixels = 12;
constexpr double kZoomStep = 0.8;
constexpr double kPanStep = 0.15;

/// Asked for with each mark that is painted.
const QPalette& paletteOf(bool dark) {
    static const QPalette kLight = Theme::palette(false);
    static const QPalette kDark = Theme::palette(true);
    return dark ? kDark : kLight;
}

} // namespace

PaintLook PaintLook::ofScreen(const QWidget& widget) {
    return {.dark = Theme::isDark(), .font = widget.font()};
}

PaintLook PaintLook::ofPaper() {
    QFont font = QApplication::font();
    font.setPixelSize(kPaperFontPixels);
    return {.paper = true, .font = font};
}

QColor PaintLook::base() const { return paletteOf(dark).color(QPalette::Base); }
QColor PaintLook::text() const { return paletteOf(dark).color(QPalette::Text); }
QColor PaintLook::grid() const {
    QColor colour = text();
    colour.setAlphaF(0.14F);
    return colour;
}

std::vector<double> roundTicks(double low, double high, int most, bool whole) {
    if (!(high > low) || most < 1 || !std::isfinite(high - low)) {
        return {};
    }
    const double rough = (high - low) / most;
    const double power = std::pow(10.0, std::floor(std::log10(rough)));
    double step = 10.0 * power;
    for (const double factor : {1.0, 2.0, 5.0}) {
        if (factor * power >= rough) {
            step = factor * power;
            break;
        }
    }
    step = whole ? std::max(1.0, std::round(step)) : step;
    std::vector<double> ticks;
    for (double k = std::ceil(low / step); k * step <= high; ++k) {
        ticks.push_back(k * step);
    }
    return ticks;
}

void paintFocusRing(QPainter& painter, const QRectF& rect, const PaintLook& look) {
    painter.setPen(QPen(Theme::palette(look.dark).color(QPalette::Highlight), 2.0));
    painter.setBrush(Qt::NoBrush);
    painter.drawRoundedRect(rect.adjusted(1, 1, -1, -1), 3, 3);
}

PaintedChart::PaintedChart(QWidget* parent) : QWidget(parent) {
    installPlotAccessibility();
    setFocusPolicy(Qt::StrongFocus);
    setMouseTracking(true);
}

void PaintedChart::setLimits(double least, double most, double narrowest) {
    const bool fitted = isFitted();
    m_least = least;
    m_most = std::max(most, least + narrowest);
    m_narrowest = narrowest;
    fitted ? fit() : setRange(m_low, m_high);
}

void PaintedChart::setRange(double low, double high) {
    if (!std::isfinite(low) || !std::isfinite(high)) {
        return;
    }
    const double width = std::clamp(high - low, m_narrowest, m_most - m_least);
    const double centred = (low + high - width) / 2.0;
    low = std::clamp(centred, m_least, m_most - width);
    if (low != m_low || low + width != m_high) {
        m_low = low;
        m_high = low + width;
        update();
        emit rangeChanged(m_low, m_high);
    }
}

void PaintedChart::zoom(double at, double factor) {
    const double width = std::clamp((m_high - m_low) * factor, m_narrowest, m_most - m_least);
    const double share = (at - m_low) / (m_high - m_low);
    setRange(at - share * width, at + (1.0 - share) * width);
}

void PaintedChart::pan(double share) {
    const double by = share * (m_high - m_low);
    setRange(m_low + by, m_high + by);
}

double PaintedChart::toPixel(double value, const QRectF& area) const {
    return area.left() + (value - m_low) / (m_high - m_low) * area.width();
}

double PaintedChart::toValue(double pixel, const QRectF& area) const {
    return m_low + (pixel - area.left()) / std::max(1.0, area.width()) * (m_high - m_low);
}

QRectF PaintedChart::screenArea() const { return plotArea(rect(), PaintLook::ofScreen(*this)); }

void PaintedChart::setProvenance(const QString& text) { m_provenance = text; }

bool PaintedChart::exportTo(const QString& path, QSize pixels, QString* error, double scale) const {
    const auto draw = [this](QPaintDevice& device, QSize size) {
        QPainter painter(&device);
        paint(painter, QRectF(QPointF(0, 0), size), PaintLook::ofPaper());
    };
    const QString problem =
        writePicture({title(), provenanceLine(m_provenance), draw}, path, pixels, scale);
    if (error != nullptr) {
        *error = problem;
    }
    return problem.isEmpty();
}

void PaintedChart::paintEvent(QPaintEvent*) {
    QPainter painter(this);
    const PaintLook look = PaintLook::ofScreen(*this);
    paint(painter, rect(), look);
    if (hasFocus()) {
        painter.setRenderHint(QPainter::Antialiasing);
        paintFocusRing(painter, rect(), look);
    }
}

void PaintedChart::wheelEvent(QWheelEvent* event) {
    const QPoint turned = event->angleDelta();
    constexpr double kNotch = 120.0;
    if (turned.x() != 0 || event->modifiers().testFlag(Qt::ShiftModifier)) {
        const int by = turned.x() != 0 ? turned.x() : turned.y();
        pan(-kPanStep * by / kNotch);
    } else if (turned.y() != 0) {
        zoom(
            toValue(event->position().x(), screenArea()), std::pow(kZoomStep, turned.y() / kNotch));
    }
    event->accept();
}

void PaintedChart::mousePressEvent(QMouseEvent* event) {
    if (event->button() == Qt::LeftButton) {
        m_down = true;
        m_panning = false;
        m_pressed = event->position();
        m_pressedLow = m_low;
    }
}

void PaintedChart::mouseMoveEvent(QMouseEvent* event) {
    if (!m_down) {
        return;
    }
    const double moved = event->position().x() - m_pressed.x();
    if (!m_panning && std::abs(moved) >= QApplication::startDragDistance() && !isFitted()) {
        m_panning = true;
        setCursor(Qt::ClosedHandCursor);
    }
    if (m_panning) {
        const double width = m_high - m_low;
        const double low = m_pressedLow - moved / std::max(1.0, screenArea().width()) * width;
        setRange(low, low + width);
    }
}

void PaintedChart::mouseReleaseEvent(QMouseEvent* event) {
    if (event->button() != Qt::LeftButton || !m_down) {
        return;
    }
    m_down = false;
    unsetCursor();
    if (!m_panning) {
        clicked(event->position());
    }
    m_panning = false;
}

void PaintedChart::mouseDoubleClickEvent(QMouseEvent*) { fit(); }

void PaintedChart::keyPressEvent(QKeyEvent* event) {
    const double middle = (m_low + m_high) / 2.0;
    switch (event->key()) {
    case Qt::Key_Plus:
    case Qt::Key_Equal:
        zoom(middle, kZoomStep);
        break;
    case Qt::Key_Minus:
        zoom(middle, 1.0 / kZoomStep);
        break;
    case Qt::Key_0:
        fit();
        break;
    default:
        QWidget::keyPressEvent(event);
    }
}

void PaintedChart::changeEvent(QEvent* event) {
    QWidget::changeEvent(event);
    if (event->type() == QEvent::PaletteChange || event->type() == QEvent::FontChange) {
        updateGeometry();
        update();
    }
}

} // namespace lathe
