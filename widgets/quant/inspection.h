// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "engine/core/event.h"
#include "engine/core/json.h"
#include "widgets/base/plot_view.h"

#include <array>
#include <span>
#include <string>
#include <vector>

namespace lathe {

/// What of a matrix its tiles show, in the order of the stored arrays.
enum class TileQuantity { Sensitivity, SquaredError, WeightedError };
inline constexpr std::size_t kTileQuantities = 3;
/// How a row's weights get their tables, in the order of the stored arrays.
enum class RowMethod { Rtn, Lloyd, Exact };
inline constexpr std::size_t kRowMethods = 3;
inline constexpr int kMostTableBits = 8;

/// A run of `quant.inspect` as the store holds it: one matrix and one of its rows.
struct MatrixInspection {
    qint64 runId = 0;
    int rows = 0, columns = 0;
    int tileRows = 0, tileColumns = 0;
    int row = 0;
    double rowLow = 0.0, rowHigh = 0.0; ///< of the row's weights
    double rowShare = 0.0;              ///< of the matrix's weighted error
    double predictedKl = 0.0;           ///< nat, of the matrix as it was quantized
    std::vector<double> tiles;          ///< [quantity][tile row][tile column]
    std::vector<double> rowSums;        ///< [quantity][row]
    std::vector<double> histogram;      ///< [count, sensitivity][bin], equal bins of low..high
    std::vector<double> tables;         ///< [method][entry]; NaN: the method has none of that size
    std::array<std::array<double, kMostTableBits>, kRowMethods> errors{};

    /// The table of 2^bits entries, empty when the method has none.
    std::vector<double> table(RowMethod method, int bits) const;
    double error(RowMethod method, int bits) const; ///< weighted, NaN: no such table
    int tileRowOf(int ofRow) const;
    /// The row of a tile's that has the most of a quantity.
    int strongestRow(int tileRow, TileQuantity quantity) const;

    /// @param metrics of its only cell  @param events of the run, the arrays among them
    /// @throws FormatError for arrays that are missing or do not fit each other.
    static MatrixInspection read(qint64 runId, const Json& metrics, std::span<const Event> events);
};

/// What a plot is given.
struct InspectionPlot {
    PlotAxes axes;
    std::vector<PlotSeries> series;
};

QString tileQuantityName(TileQuantity quantity);
QString rowMethodName(RowMethod method);

/// Rows from the top, columns to the right. A tile's id is tileRow * tileColumns + column + 1.
InspectionPlot tilePlot(const MatrixInspection& matrix, TileQuantity quantity);
/// Histograms of the row's weights and of their sensitivities, and below them the table entries of
/// each method in a lane of its own. @param log the y axis is logarithmic
InspectionPlot rowPlot(const MatrixInspection& matrix, int bits, bool log);
/// The methods' weighted errors with so many bits and their excess over the optimum, rich text.
QString rowErrorsText(const MatrixInspection& matrix, int bits);

} // namespace lathe
