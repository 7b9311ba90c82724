// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "widgets/base/plot.h"

namespace lathe {

/// Two lines through the point nearest to the mouse and a box with its values, on a layer of their
/// own: following the mouse repaints that layer alone.
class PlotCrosshair {
public:
    explicit PlotCrosshair(QCustomPlot& plot);

    /// Without the lines where they would cross what is written at the points.
    void showAt(double x, double y, const QString& text, bool lines = true);
    void hide();
    bool visible() const { return m_visible; }
    QString text() const { return m_text->text(); }
    void setLook(bool dark);

private:
    void setVisible(bool visible);

    QCustomPlot& m_plot;
    QCPItemStraightLine* m_vertical;
    QCPItemStraightLine* m_horizontal;
    QCPItemText* m_text;
    bool m_visible = false;
};

} // namespace lathe
