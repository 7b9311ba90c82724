// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "widgets/base/plot_scene.h"

#include <QMimeData>

#include <memory>

namespace lathe {

/// What goes into a file beside the picture.
struct PlotDocument {
    const std::vector<PlotSeries>& series;
    const PlotAxes& axes;
    QString provenance; ///< run ids and version
};

/// Draws a plot in the light theme at a fixed logical size, whatever the screen, and puts the look
/// of the moment back when it is destroyed.
class PlotPrinter {
public:
    PlotPrinter(QCustomPlot& plot, PlotScene& scene, PlotDocument document);
    ~PlotPrinter();
    PlotPrinter(const PlotPrinter&) = delete;
    PlotPrinter& operator=(const PlotPrinter&) = delete;

    /// By the suffix: png, svg, pdf, csv, json. @return an empty text, or why it failed.
    QString write(const QString& path, QSize pixels, double scale);
    /// PNG, SVG and a table, all at once, for the clipboard.
    std::unique_ptr<QMimeData> mimeData(QSize pixels);

private:
    QByteArray png(QSize pixels, double scale);
    QByteArray svg(QSize pixels);
    QByteArray pdf(QSize pixels);
    void paint(QPaintDevice& device, QSize pixels);

    QCustomPlot& m_plot;
    PlotScene& m_scene;
    PlotDocument m_document;
};

/// "lathe 0.1.0; <extra>": the start of every provenance line.
QString provenanceLine(const QString& extra);

} // namespace lathe
