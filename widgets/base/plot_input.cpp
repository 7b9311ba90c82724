// SPDX-License-Identifier: GPL-3.0-or-later
#include "widgets/base/plot_input.h"

#include <QKeyEvent>
#include <QMouseEvent>
#include <QRubberBand>

#include <cmath>

namespace lathe {

namespace {

constexpr double kWheelFactor = 0.85; ///< per notch of 15 degrees
constexpr double kKeyFactor = 0.8;
constexpr double kPanShare = 0.1; ///< of the range, per arrow key
constexpr int kDragPixels = 4;
constexpr int kSettleMs = 300; ///< a view that stands so long enters the history
constexpr std::size_t kMaxHistory = 50;

/// False for a range too narrow or wide for the axis: the zoom is then left out.
bool isSane(const QCPRange& range, bool log) {
    const double magnitude = std::max(std::abs(range.lower), std::abs(range.upper));
    return QCPRange::validRange(range) && range.size() > magnitude * 1e-10 &&
           (!log || range.lower > 0.0);
}

bool isLog(const QCPAxis* axis) { return axis->scaleType() == QCPAxis::stLogarithmic; }

void scale(QCPAxis* axis, double factor, double centre) {
    const QCPRange before = axis->range();
    axis->scaleRange(factor, centre);
    if (!isSane(axis->range(), isLog(axis))) {
        axis->setRange(before);
    }
}

/// Moves the axis so that the value under pixel `from` comes to lie under `to`.
void shift(QCPAxis* axis, double from, double to) {
    const double a = axis->pixelToCoord(from);
    const double b = axis->pixelToCoord(to);
    const QCPRange range = axis->range();
    const QCPRange moved = isLog(axis) ? QCPRange(range.lower * a / b, range.upper * a / b)
                                       : QCPRange(range.lower + a - b, range.upper + a - b);
    if (isSane(moved, isLog(axis))) {
        axis->setRange(moved);
    }
}

} // namespace

PlotInput::PlotInput(QCustomPlot& plot)
    : QObject(&plot), m_plot(plot), m_band(new QRubberBand(QRubberBand::Rectangle, &plot)) {
    plot.setInteractions(QCP::iNone);
    plot.setMouseTracking(true);
    plot.setFocusPolicy(Qt::StrongFocus);
    plot.setContextMenuPolicy(Qt::PreventContextMenu);
    plot.installEventFilter(this);
    m_settle.setSingleShot(true);
    m_settle.setInterval(kSettleMs);
    connect(&m_settle, &QTimer::timeout, this, [this] {
        if (m_history.empty() || !(m_history[m_position] == present())) {
            m_history.resize(m_history.empty() ? 0 : m_position + 1);
            m_history.push_back(present());
            if (m_history.size() > kMaxHistory) {
                m_history.erase(m_history.begin());
            }
            m_position = m_history.size() - 1;
        }
    });
}

PlotInput::View PlotInput::present() const {
    return {m_plot.xAxis->range(), m_plot.yAxis->range()};
}

void PlotInput::resetHistory() {
    m_settle.stop();
    m_history.assign(1, present());
    m_position = 0;
}

void PlotInput::changed() {
    m_plot.replot(QCustomPlot::rpQueuedReplot);
    m_settle.start();
    emit viewChanged();
}

void PlotInput::apply(const View& view) {
    m_plot.xAxis->setRange(view.x);
    m_plot.yAxis->setRange(view.y);
    m_plot.replot(QCustomPlot::rpQueuedReplot);
    emit viewChanged();
}

void PlotInput::back() {
    if (m_settle.isActive()) {
        // The view of the moment is not in the history yet: enter it, so that forward finds it.
        m_settle.stop();
        m_history.resize(m_history.empty() ? 0 : m_position + 1);
        m_history.push_back(present());
        m_position = m_history.size() - 1;
    }
    if (m_position > 0) {
        apply(m_history[--m_position]);
    }
}

void PlotInput::forward() {
    if (m_position + 1 < m_history.size()) {
        apply(m_history[++m_position]);
    }
}

void PlotInput::zoom(double factor) {
    const QPointF centre = m_plot.axisRect()->rect().center();
    scale(m_plot.xAxis, factor, m_plot.xAxis->pixelToCoord(centre.x()));
    scale(m_plot.yAxis, factor, m_plot.yAxis->pixelToCoord(centre.y()));
    changed();
}

void PlotInput::setBoxZoom(bool on) {
    m_boxZoom = on;
    m_plot.setCursor(on ? Qt::CrossCursor : Qt::ArrowCursor);
}

bool PlotInput::eventFilter(QObject* object, QEvent* event) {
    switch (event->type()) {
    case QEvent::MouseButtonPress:
        return press(*static_cast<QMouseEvent*>(event));
    case QEvent::MouseMove:
        return move(*static_cast<QMouseEvent*>(event));
    case QEvent::MouseButtonRelease:
        return release(*static_cast<QMouseEvent*>(event));
    case QEvent::MouseButtonDblClick:
        emit doubleClicked(static_cast<QMouseEvent*>(event)->position());
        return true;
    case QEvent::Wheel:
        return wheel(*static_cast<QWheelEvent*>(event));
    case QEvent::KeyPress:
        return key(*static_cast<QKeyEvent*>(event));
    case QEvent::Leave:
        emit hoverLeft();
        return false;
    default:
        return QObject::eventFilter(object, event);
    }
}

bool PlotInput::press(const QMouseEvent& event) {
    m_plot.setFocus(Qt::MouseFocusReason);
    if (event.button() != Qt::LeftButton && event.button() != Qt::RightButton) {
        return false;
    }
    m_pressed = event.position();
    m_last = event.position();
    m_button = event.button();
    m_moved = false;
    return true;
}

bool PlotInput::move(const QMouseEvent& event) {
    const QPointF at = event.position();
    if (!m_pressed) {
        if (m_plot.axisRect()->rect().contains(at.toPoint())) {
            emit hovered(at);
        } else {
            emit hoverLeft();
        }
        return true;
    }
    m_moved = m_moved || (at - *m_pressed).manhattanLength() >= kDragPixels;
    if (!m_moved) {
        return true;
    }
    if (m_button == Qt::RightButton || m_boxZoom) {
        m_band->setGeometry(QRectF(*m_pressed, at).normalized().toRect());
        m_band->show();
    } else {
        pan(m_last, at);
    }
    m_last = at;
    emit hoverLeft();
    return true;
}

bool PlotInput::release(const QMouseEvent& event) {
    if (!m_pressed || event.button() != m_button) {
        return false;
    }
    const QPointF from = *m_pressed;
    m_pressed.reset();
    m_band->hide();
    if (!m_moved) {
        if (m_button == Qt::RightButton) {
            emit menuRequested(event.globalPosition().toPoint());
        } else {
            emit clicked(event.position());
        }
    } else if (m_button == Qt::RightButton || m_boxZoom) {
        zoomBox(QRectF(from, event.position()).normalized());
        setBoxZoom(false);
    }
    return true;
}

void PlotInput::pan(const QPointF& from, const QPointF& to) {
    shift(m_plot.xAxis, from.x(), to.x());
    shift(m_plot.yAxis, from.y(), to.y());
    changed();
}

void PlotInput::zoomBox(const QRectF& box) {
    const QRectF area = box & QRectF(m_plot.axisRect()->rect());
    if (area.width() < kDragPixels || area.height() < kDragPixels) {
        return;
    }
    const QCPRange x(
        m_plot.xAxis->pixelToCoord(area.left()), m_plot.xAxis->pixelToCoord(area.right()));
    const QCPRange y(
        m_plot.yAxis->pixelToCoord(area.bottom()), m_plot.yAxis->pixelToCoord(area.top()));
    if (isSane(x, isLog(m_plot.xAxis)) && isSane(y, isLog(m_plot.yAxis))) {
        m_plot.xAxis->setRange(x);
        m_plot.yAxis->setRange(y);
        changed();
    }
}

bool PlotInput::wheel(const QWheelEvent& event) {
    // With Alt, X11 turns the wheel sideways; with Shift some styles do.
    const int turned =
        event.angleDelta().y() != 0 ? event.angleDelta().y() : event.angleDelta().x();
    if (turned == 0) {
        return true;
    }
    const double factor = std::pow(kWheelFactor, turned / 120.0);
    const bool xOnly = event.modifiers().testFlag(Qt::ShiftModifier);
    const bool yOnly = event.modifiers().testFlag(Qt::ControlModifier);
    if (!yOnly) {
        scale(m_plot.xAxis, factor, m_plot.xAxis->pixelToCoord(event.position().x()));
    }
    if (!xOnly) {
        scale(m_plot.yAxis, factor, m_plot.yAxis->pixelToCoord(event.position().y()));
    }
    changed();
    return true;
}

void PlotInput::panKeys(int dx, int dy) {
    const QRect area = m_plot.axisRect()->rect();
    pan(area.center(), QPointF(area.center()) +
                           QPointF(-dx * area.width() * kPanShare, dy * area.height() * kPanShare));
}

bool PlotInput::key(const QKeyEvent& event) {
    const bool alt = event.modifiers() == Qt::AltModifier;
    switch (event.key()) {
    case Qt::Key_Left:
        alt ? back() : panKeys(-1, 0);
        return true;
    case Qt::Key_Right:
        alt ? forward() : panKeys(1, 0);
        return true;
    case Qt::Key_Up:
        panKeys(0, 1);
        return true;
    case Qt::Key_Down:
        panKeys(0, -1);
        return true;
    case Qt::Key_Return:
    case Qt::Key_Enter:
        emit activateRequested();
        return true;
    case Qt::Key_Escape:
        setBoxZoom(false);
        emit selectionCleared();
        return true;
    case Qt::Key_Menu:
        emit menuRequested(m_plot.mapToGlobal(m_plot.rect().center()));
        return true;
    default:
        return letterKey(event);
    }
}

bool PlotInput::letterKey(const QKeyEvent& event) {
    // Letters with Ctrl or Alt belong to the window.
    if ((event.modifiers() & (Qt::ControlModifier | Qt::AltModifier | Qt::MetaModifier)) != 0) {
        return false;
    }
    const bool shift = event.modifiers().testFlag(Qt::ShiftModifier);
    switch (event.key()) {
    case Qt::Key_Plus:
    case Qt::Key_Equal:
        zoom(kKeyFactor);
        return true;
    case Qt::Key_Minus:
        zoom(1.0 / kKeyFactor);
        return true;
    case Qt::Key_0:
        emit fitRequested();
        return true;
    case Qt::Key_Z:
        setBoxZoom(!m_boxZoom);
        return true;
    case Qt::Key_L:
        emit logToggled(shift ? Qt::Horizontal : Qt::Vertical);
        return true;
    case Qt::Key_G:
        emit gridToggled();
        return true;
    case Qt::Key_N:
        emit stepRequested(shift ? -1 : 1);
        return true;
    case Qt::Key_C:
        emit copyImageRequested();
        return true;
    case Qt::Key_D:
        emit copyDataRequested();
        return true;
    case Qt::Key_E:
        emit exportRequested();
        return true;
    default:
        return false;
    }
}

} // namespace lathe
