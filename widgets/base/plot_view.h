// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <QColor>
#include <QStringList>
#include <QWidget>

#include <limits>
#include <memory>
#include <optional>
#include <vector>

class QCustomPlot;

namespace lathe {

struct PlotPoint {
    double x = 0.0, y = 0.0;
    double yLow = 0.0, yHigh = 0.0; ///< NaN: no error bar
    qint64 id = 0;                  ///< what a click selects
    QString label{};                ///< short text beside the mark ("3 bit"), may be empty; in a
                                    ///< map the tile's own, in place of the number
    double z = std::numeric_limits<double>::quiet_NaN(); ///< in a map: what the colour says
};

struct PlotSeries {
    QString name;
    std::vector<PlotPoint> points;
    bool line = false; ///< connect the points
    bool step = false; ///< as a step line (Pareto front)
    bool marks = true;
    int style = 0;     ///< palette colour, mark and dash by index: never colour alone
    bool bars = false; ///< from 0 up, each around a whole x; in place of line and marks
};

/// A name in place of a number on an axis.
struct PlotPlace {
    double at = 0.0;
    QString name;
};

struct PlotAxes {
    QString title;          ///< of the whole plot; accessible name
    QString xLabel, yLabel; ///< "Quantity (unit)"
    bool xLog = false, yLog = false;
    /// Not empty: a map. Each point is a tile around whole x and y, coloured by its z on a
    /// logarithmic scale that this labels; there are no marks and lines.
    QString zLabel{};
    bool zWhole = false; ///< z counts something: a linear scale of whole numbers
    /// Of the colours; NaN: as far as the values go.
    double zLow = std::numeric_limits<double>::quiet_NaN();
    double zHigh = std::numeric_limits<double>::quiet_NaN();
    QStringList xNames{}, yNames{}; ///< of the whole coordinates from 0, in place of the numbers
    /// Lanes of a plot with numbers: the y axis has its numbers above the highest of them.
    std::vector<PlotPlace> yPlaces{};
    QString corner{}; ///< one line in the lower right corner, may be empty

    bool isMap() const { return !zLabel.isEmpty(); }
};

/// Every plot of the program: QCustomPlot with the project's contract (zoom, pan, keyboard,
/// crosshair with values, selection, log axes with counted clamps, data table, export). Data goes
/// in as plain series; one queued replot per event-loop turn.
class PlotView : public QWidget {
    Q_OBJECT
public:
    explicit PlotView(QWidget* parent = nullptr);
    ~PlotView() override;

    void setAxes(const PlotAxes& axes);
    void setSeries(std::vector<PlotSeries> series);
    const std::vector<PlotSeries>& series() const;
    const PlotAxes& axes() const;
    /// Highlights points with these ids and dims the rest; empty: all equal.
    void setSelection(const std::vector<qint64>& ids);
    void setEmptyText(const QString& text); ///< shown instead of bare axes while there is no point
    void fit();
    QCustomPlot& plot();

    /// Writes PNG, SVG, PDF, CSV or JSON by the file's suffix, in the light theme; `error` says why
    /// not.
    bool exportTo(const QString& path, QSize pixels, double scale, QString* error);
    /// Asks for file, size and format.
    void exportInteractively();
    /// Tab-separated table of all points.
    QString dataAsText() const;
    /// Run ids and version go into the file's metadata.
    void setProvenance(const QString& text);
    const QString& provenance() const;
    /// What the axes could not show ("3 values <= 0 hidden ..."), empty when all is shown.
    QString hiddenNote() const;
    /// The values beside the crosshair, empty while it is hidden.
    QString crosshairText() const;

signals:
    void pointActivated(qint64 id); ///< Enter or double click
    void pointSelected(qint64 id);  ///< click or N / Shift+N; 0: selection cleared
    void zoomChanged();

private:
    void changeEvent(QEvent* event) override;
    bool eventFilter(QObject* object, QEvent* event) override;

    class Impl;
    std::unique_ptr<Impl> m_impl;
};

} // namespace lathe
