// SPDX-License-Identifier: GPL-3.0-or-later
#include "widgets/base/plot_crosshair.h"

#include "widgets/base/theme.h"

namespace lathe {

namespace {
const QString kLayer = QStringLiteral("crosshair");
constexpr int kOffset = 10;
} // namespace

PlotCrosshair::PlotCrosshair(QCustomPlot& plot) : m_plot(plot) {
    plot.addLayer(kLayer, plot.layer(QStringLiteral("overlay")));
    plot.layer(kLayer)->setMode(QCPLayer::lmBuffered);
    m_vertical = new QCPItemStraightLine(&plot);
    m_horizontal = new QCPItemStraightLine(&plot);
    m_text = new QCPItemText(&plot);
    m_text->setPadding(QMargins(8, 5, 8, 5));
    m_text->setTextAlignment(Qt::AlignLeft);
    m_text->position->setType(QCPItemPosition::ptAbsolute);
    m_text->setClipToAxisRect(false);
    for (QCPAbstractItem* item :
         std::initializer_list<QCPAbstractItem*>{m_vertical, m_horizontal, m_text}) {
        item->setLayer(kLayer);
        item->setSelectable(false);
    }
    setVisible(false);
    setLook(Theme::isDark());
}

void PlotCrosshair::setLook(bool dark) {
    const QPalette palette = Theme::palette(dark);
    const QPen line(Theme::muted(dark), 1, Qt::DashLine);
    m_vertical->setPen(line);
    m_horizontal->setPen(line);
    m_text->setFont(m_plot.xAxis->tickLabelFont());
    m_text->setColor(palette.color(QPalette::ToolTipText));
    m_text->setBrush(palette.color(QPalette::ToolTipBase));
    m_text->setPen(QPen(Theme::muted(dark), 1));
}

void PlotCrosshair::setVisible(bool visible) {
    m_visible = visible;
    m_vertical->setVisible(visible);
    m_horizontal->setVisible(visible);
    m_text->setVisible(visible);
}

void PlotCrosshair::showAt(double x, double y, const QString& text, bool lines) {
    m_vertical->point1->setCoords(x, y);
    m_vertical->point2->setCoords(x, m_plot.yAxis->range().upper);
    m_horizontal->point1->setCoords(x, y);
    m_horizontal->point2->setCoords(m_plot.xAxis->range().upper, y);
    // A line through one point twice has no direction.
    if (y == m_plot.yAxis->range().upper) {
        m_vertical->point2->setCoords(x, m_plot.yAxis->range().lower);
    }
    if (x == m_plot.xAxis->range().upper) {
        m_horizontal->point2->setCoords(m_plot.xAxis->range().lower, y);
    }
    m_text->setText(text);
    const QPointF at(m_plot.xAxis->coordToPixel(x), m_plot.yAxis->coordToPixel(y));
    const QRect area = m_plot.axisRect()->rect();
    const bool right = at.x() > area.center().x();
    const bool low = at.y() > area.center().y();
    m_text->setPositionAlignment(
        (right ? Qt::AlignRight : Qt::AlignLeft) | (low ? Qt::AlignBottom : Qt::AlignTop));
    m_text->position->setCoords(
        at.x() + (right ? -kOffset : kOffset), at.y() + (low ? -kOffset : kOffset));
    setVisible(true);
    m_vertical->setVisible(lines);
    m_horizontal->setVisible(lines);
    m_plot.layer(kLayer)->replot();
}

void PlotCrosshair::hide() {
    if (m_visible) {
        setVisible(false);
        m_plot.layer(kLayer)->replot();
    }
}

} // namespace lathe
