// SPDX-License-Identifier: GPL-3.0-or-later
#include "widgets/quant/inspection.h"

#include "engine/core/error.h"
#include "engine/core/json_number.h"
#include "widgets/base/method_style.h"
#include "widgets/base/plot_data.h"

#include <QCoreApplication>
#include <QLocale>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>

namespace lathe {

namespace {

constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();
constexpr int kMostSide = 1 << 24; ///< rows, columns: more is no matrix, but a damaged store
constexpr std::size_t kEntries = (2U << kMostTableBits) - 2;
constexpr std::int64_t kBins = 256;
constexpr double kLane = 0.11;       ///< distance of two lanes, of the highest bar
constexpr double kLogLane = 0.45;    ///< the same in decades
constexpr int kMostLabelledBits = 3; ///< of a table whose entries carry their codes
constexpr int kMassStyle = 9;        ///< blue and dashed
constexpr std::array kMethodNames{"rtn", "lloyd", "exact"};
constexpr std::array kMethodStyles{"rtn", "lloyd", "squeezellm"}; ///< as in all other plots

QString tr(const char* text) { return QCoreApplication::translate("Inspection", text); }

template <class T>
std::vector<double> widened(std::span<const std::byte> bytes) {
    std::vector<T> values(bytes.size() / sizeof(T));
    std::memcpy(values.data(), bytes.data(), values.size() * sizeof(T));
    return {values.begin(), values.end()};
}

/// The values of the array of that name, which must have that shape.
std::vector<double> arrayOf(
    std::span<const Event> events, const std::string& name,
    const std::vector<std::int64_t>& shape) {
    const ArrayReady* found = nullptr;
    for (const Event& event : events) {
        const auto* array = std::get_if<ArrayReady>(&event.payload);
        found = array != nullptr && array->name == name ? array : found;
    }
    if (found == nullptr) {
        throw FormatError("the run has no array " + name);
    }
    std::size_t count = 1;
    for (const std::int64_t side : shape) {
        count *= static_cast<std::size_t>(side);
    }
    const bool wide = found->dtype == "F64";
    if (found->shape != shape || (!wide && found->dtype != "F32") ||
        found->bytes.size() != count * (wide ? sizeof(double) : sizeof(float))) {
        throw FormatError("the run's array " + name + " is not of the form that its numbers need");
    }
    return wide ? widened<double>(found->bytes) : widened<float>(found->bytes);
}

int sideOf(const Json& metrics, const char* name) {
    const int side = wholeNumber<int>(metrics, name);
    if (side < 1 || side > kMostSide) {
        throw FormatError(std::string("the run's ") + name + " is " + std::to_string(side));
    }
    return side;
}

/// Where part i of `parts` equal ones of `count` begins, as quant.inspect divides.
int beginOf(int i, int parts, int count) {
    return static_cast<int>(std::int64_t{i} * count / parts);
}

/// First row or column of each part.
QStringList firstOnes(int parts, int count, bool fromBelow) {
    QStringList names;
    for (int i = 0; i < parts; ++i) {
        names << QString::number(beginOf(fromBelow ? parts - 1 - i : i, parts, count));
    }
    return names;
}

/// Fewer, wider bins for fewer weights: about eight in each on the average.
std::size_t binsFor(int weights, std::size_t stored) {
    std::size_t bins = stored;
    while (bins > 16 && bins % 2 == 0 && bins * 8 > static_cast<std::size_t>(weights)) {
        bins /= 2;
    }
    return bins;
}

/// Shares of the whole in percent, as steps from bin to bin.
PlotSeries stepsOf(
    const QString& name, std::span<const double> stored, const MatrixInspection& matrix,
    int style) {
    PlotSeries series{
        .name = name, .points = {}, .line = true, .step = true, .marks = false, .style = style};
    double total = 0.0;
    for (const double one : stored) {
        total += one;
    }
    const std::size_t bins = binsFor(matrix.columns, stored.size());
    const std::size_t merged = stored.size() / bins;
    const double width = (matrix.rowHigh - matrix.rowLow) / static_cast<double>(bins);
    for (std::size_t bin = 0; bin <= bins; ++bin) {
        double sum = 0.0;
        for (std::size_t i = 0; bin < bins && i < merged; ++i) {
            sum += stored[bin * merged + i];
        }
        series.points.push_back(
            {.x = matrix.rowLow + width * static_cast<double>(bin),
             .y = total > 0.0 ? 100.0 * sum / total : 0.0,
             .yLow = kNaN,
             .yHigh = kNaN});
    }
    return series;
}

/// Heights of the lanes, from the top, under all that the histograms have.
std::array<double, kRowMethods> lanesUnder(const std::vector<PlotSeries>& series, bool log) {
    double most = 0.0;
    double least = std::numeric_limits<double>::infinity();
    for (const PlotSeries& one : series) {
        for (const PlotPoint& point : one.points) {
            most = std::max(most, point.y);
            least = point.y > 0.0 ? std::min(least, point.y) : least;
        }
    }
    std::array<double, kRowMethods> lanes{};
    for (std::size_t i = 0; i < kRowMethods; ++i) {
        const auto down = static_cast<double>(i + 1);
        lanes[i] = log ? (std::isfinite(least) ? least : 1.0) * std::pow(10.0, -kLogLane * down)
                       : -kLane * down * (most > 0.0 ? most : 1.0);
    }
    return lanes;
}

PlotSeries laneOf(const MatrixInspection& matrix, RowMethod method, int bits, double at) {
    const auto index = static_cast<std::size_t>(method);
    PlotSeries lane{
        .name = rowMethodName(method),
        .points = {},
        .style = methodStyle(kMethodStyles[index], kOtherStyle)};
    int code = 0;
    for (const double entry : matrix.table(method, bits)) {
        lane.points.push_back(
            {.x = entry,
             .y = at,
             .yLow = kNaN,
             .yHigh = kNaN,
             .id = 1 + code + static_cast<qint64>(index << kMostTableBits),
             .label = bits <= kMostLabelledBits ? QString::number(code) : QString()});
        ++code;
    }
    return lane;
}

} // namespace

QString tileQuantityName(TileQuantity quantity) {
    switch (quantity) {
    case TileQuantity::Sensitivity:
        return tr("F");
    case TileQuantity::SquaredError:
        return tr("ΔW²");
    case TileQuantity::WeightedError:
        break;
    }
    return tr("F·ΔW²");
}

QString rowMethodName(RowMethod method) {
    switch (method) {
    case RowMethod::Rtn:
        return tr("RTN");
    case RowMethod::Lloyd:
        return tr("Lloyd");
    case RowMethod::Exact:
        break;
    }
    return tr("Exact");
}

MatrixInspection
MatrixInspection::read(qint64 runId, const Json& metrics, std::span<const Event> events) {
    MatrixInspection m;
    m.runId = runId;
    try {
        m.rows = sideOf(metrics, "rows");
        m.columns = sideOf(metrics, "columns");
        m.tileRows = sideOf(metrics, "tile_rows");
        m.tileColumns = sideOf(metrics, "tile_columns");
        m.row = wholeNumber<int>(metrics, "row");
        m.rowLow = metrics.at("row_low").get<double>();
        m.rowHigh = metrics.at("row_high").get<double>();
        m.rowShare = numberOrNan(metrics, "row_share");
        m.predictedKl = numberOrNan(metrics, "predicted_kl");
        for (std::size_t method = 0; method < kRowMethods; ++method) {
            for (std::size_t b = 0; b < m.errors[method].size(); ++b) {
                const Json& error = metrics.at("errors").at(b).at(kMethodNames[method]);
                m.errors[method][b] = error.is_number() ? error.get<double>() : kNaN;
            }
        }
    } catch (const Json::exception& e) {
        throw FormatError("the run's numbers are not those of a matrix: " + std::string(e.what()));
    }
    if (m.row < 0 || m.row >= m.rows || m.tileRows > m.rows || m.tileColumns > m.columns ||
        m.rowHigh < m.rowLow) {
        throw FormatError("the run's numbers do not fit each other");
    }
    constexpr std::int64_t kQuantities{kTileQuantities};
    m.tiles = arrayOf(events, "tiles", {kQuantities, m.tileRows, m.tileColumns});
    m.rowSums = arrayOf(events, "rows", {kQuantities, m.rows});
    m.histogram = arrayOf(events, "histogram", {2, kBins});
    m.tables = arrayOf(events, "tables", {std::int64_t{kRowMethods}, std::int64_t{kEntries}});
    return m;
}

std::vector<double> MatrixInspection::table(RowMethod method, int bits) const {
    const std::size_t size = std::size_t{1} << bits;
    const auto from = tables.begin() + static_cast<std::ptrdiff_t>(
                                           static_cast<std::size_t>(method) * kEntries + size - 2);
    const std::vector<double> entries(from, from + static_cast<std::ptrdiff_t>(size));
    return std::ranges::all_of(entries, [](double entry) { return std::isfinite(entry); })
               ? entries
               : std::vector<double>();
}

double MatrixInspection::error(RowMethod method, int bits) const {
    return errors[static_cast<std::size_t>(method)][static_cast<std::size_t>(bits) - 1];
}

int MatrixInspection::tileRowOf(int ofRow) const {
    int tile = static_cast<int>(std::int64_t{ofRow} * tileRows / rows);
    while (tile + 1 < tileRows && beginOf(tile + 1, tileRows, rows) <= ofRow) {
        ++tile; // parts are of two sizes
    }
    return tile;
}

int MatrixInspection::strongestRow(int tileRow, TileQuantity quantity) const {
    const auto of = rowSums.begin() + static_cast<std::ptrdiff_t>(quantity) * rows;
    const auto from = of + beginOf(tileRow, tileRows, rows);
    return static_cast<int>(std::max_element(from, of + beginOf(tileRow + 1, tileRows, rows)) - of);
}

InspectionPlot tilePlot(const MatrixInspection& matrix, TileQuantity quantity) {
    const auto label = [](int parts, int count, const QString& one, const QString& many) {
        return parts == count ? one : many;
    };
    InspectionPlot plot;
    plot.axes = {
        .title = tr("%1 over the matrix").arg(tileQuantityName(quantity)),
        .xLabel =
            label(matrix.tileColumns, matrix.columns, tr("Column"), tr("First column of the tile")),
        .yLabel = label(matrix.tileRows, matrix.rows, tr("Row"), tr("First row of the tile")),
        .zLabel = tr("Sum of %1").arg(tileQuantityName(quantity)),
        .xNames = firstOnes(matrix.tileColumns, matrix.columns, false),
        .yNames = firstOnes(matrix.tileRows, matrix.rows, true)};
    PlotSeries tiles{.name = tileQuantityName(quantity), .points = {}};
    const auto columns = static_cast<std::size_t>(matrix.tileColumns);
    const std::size_t count = static_cast<std::size_t>(matrix.tileRows) * columns;
    for (std::size_t i = 0; i < count; ++i) {
        tiles.points.push_back(
            {.x = static_cast<double>(i % columns),
             .y = static_cast<double>(matrix.tileRows - 1) - static_cast<double>(i / columns),
             .yLow = kNaN,
             .yHigh = kNaN,
             .id = static_cast<qint64>(i) + 1,
             .z = matrix.tiles[static_cast<std::size_t>(quantity) * count + i]});
    }
    plot.series.push_back(std::move(tiles));
    return plot;
}

InspectionPlot rowPlot(const MatrixInspection& matrix, int bits, bool log) {
    InspectionPlot plot;
    const std::span<const double> both(matrix.histogram);
    const std::size_t bins = both.size() / 2;
    plot.series.push_back(stepsOf(tr("Weights"), both.first(bins), matrix, kFloatStyle));
    plot.series.push_back(stepsOf(tr("Fisher mass"), both.subspan(bins), matrix, kMassStyle));
    const auto lanes = lanesUnder(plot.series, log);
    for (const RowMethod method : {RowMethod::Rtn, RowMethod::Lloyd, RowMethod::Exact}) {
        const double at = lanes[static_cast<std::size_t>(method)];
        plot.axes.yPlaces.push_back({at, rowMethodName(method)});
        plot.series.push_back(laneOf(matrix, method, bits, at));
    }
    plot.axes.title = tr("Row %1: weights and tables of %2 bit").arg(matrix.row).arg(bits);
    plot.axes.xLabel = tr("Weight");
    plot.axes.yLabel = tr("Share of the row (%)");
    plot.axes.yLog = log;
    return plot;
}

QString rowErrorsText(const MatrixInspection& matrix, int bits) {
    const QLocale locale;
    const double optimum = matrix.error(RowMethod::Exact, bits);
    QString head = QStringLiteral("<tr><td></td>");
    QString errors = QStringLiteral("<tr><td>%1</td>").arg(tr("Weighted error"));
    QString excess = QStringLiteral("<tr><td>%1</td>").arg(tr("Over the optimum"));
    const QString cell = QStringLiteral("<td align=right style='padding-left:18px'>%1</td>");
    for (const RowMethod method : {RowMethod::Rtn, RowMethod::Lloyd, RowMethod::Exact}) {
        const double error = matrix.error(method, bits);
        const double over = 100.0 * (error - optimum) / optimum;
        head += QStringLiteral("<th align=right style='padding-left:18px'>%1</th>")
                    .arg(rowMethodName(method));
        errors += cell.arg(std::isfinite(error) ? siNumber(error, 4) : tr("no table"));
        excess += cell.arg(
            method == RowMethod::Exact ? tr("optimum")
            : std::isfinite(over)      ? tr("+%1 %").arg(locale.toString(over, 'f', 1))
                                       : QStringLiteral("–"));
    }
    const QString end = QStringLiteral("</tr>");
    return QStringLiteral("<table>") + head + end + errors + end + excess + end +
           QStringLiteral("</table>");
}

} // namespace lathe
