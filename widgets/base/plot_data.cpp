// SPDX-License-Identifier: GPL-3.0-or-later
#include "widgets/base/plot_data.h"

#include "widgets/base/table_csv.h"

#include <QCoreApplication>
#include <QLocale>

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

namespace lathe {

namespace {

constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();

QString tr(const char* text) { return QCoreApplication::translate("PlotView", text); }

/// The power of ten below the smallest positive value; what is zero or less is drawn there.
std::optional<double>
floorOf(const std::vector<PlotSeries>& series, double PlotPoint::*member, bool log) {
    if (!log) {
        return std::nullopt;
    }
    double least = std::numeric_limits<double>::infinity();
    bool needed = false;
    for (const PlotSeries& one : series) {
        for (const PlotPoint& point : one.points) {
            const double value = point.*member;
            if (std::isfinite(value)) {
                needed = needed || value <= 0.0;
                least = value > 0.0 ? std::min(least, value) : least;
            }
        }
    }
    if (!needed) {
        return std::nullopt;
    }
    return std::isfinite(least) ? std::pow(10.0, std::floor(std::log10(least * 0.999))) : 1.0;
}

struct Extent {
    double low = std::numeric_limits<double>::infinity();
    double high = -std::numeric_limits<double>::infinity();
    void take(double value) {
        if (std::isfinite(value)) {
            low = std::min(low, value);
            high = std::max(high, value);
        }
    }
};

ShownPoint shownPoint(const PlotPoint& point, std::size_t index, ShownData& data) {
    ShownPoint shown{point.x, point.y, kNaN, kNaN, false, index};
    if (!std::isfinite(point.x) || !std::isfinite(point.y)) {
        ++data.missing;
        shown.y = kNaN;
        return shown;
    }
    ++data.drawn;
    if (data.xFloor && point.x <= 0.0) {
        shown.x = *data.xFloor;
        shown.clamped = true;
    }
    if (data.yFloor && point.y <= 0.0) {
        shown.y = *data.yFloor;
        shown.clamped = true;
    }
    data.clamped += shown.clamped ? 1 : 0;
    if (!shown.clamped && std::isfinite(point.yLow) && std::isfinite(point.yHigh) &&
        point.yHigh > point.yLow) {
        shown.yLow = point.yLow;
        shown.yHigh = point.yHigh;
    }
    return shown;
}

QString shortest(double value) {
    return std::isfinite(value) ? QString::number(value, 'g', QLocale::FloatingPointShortest)
                                : QString();
}

/// A coordinate's name where the axis has names.
QString nameAt(const QStringList& names, double value) {
    const bool named = value >= 0.0 && value < static_cast<double>(names.size());
    return named ? names[static_cast<qsizetype>(value)] : QString();
}
QString xNameAt(const PlotAxes& axes, double value) { return nameAt(axes.xNames, value); }
QString yNameAt(const PlotAxes& axes, double value) {
    const auto place = std::ranges::find(axes.yPlaces, value, &PlotPlace::at);
    return place != axes.yPlaces.end() ? place->name : nameAt(axes.yNames, value);
}

QString coordinate(const QString& name, double value) {
    return name.isEmpty() ? shortest(value) : name;
}

QStringList headLine(const PlotAxes& axes) {
    if (axes.isMap()) {
        return {tr("Series"), axes.xLabel, axes.yLabel, axes.zLabel, tr("Label"), tr("Id")};
    }
    return {tr("Series"), axes.xLabel, axes.yLabel, tr("Low"), tr("High"), tr("Label"), tr("Id")};
}

QStringList row(const PlotSeries& series, const PlotPoint& point, const PlotAxes& axes) {
    const QString x = coordinate(xNameAt(axes, point.x), point.x);
    const QString y = coordinate(yNameAt(axes, point.y), point.y);
    const QString id = QString::number(point.id);
    if (axes.isMap()) {
        return {series.name, x, y, shortest(point.z), point.label, id};
    }
    return {series.name, x, y, shortest(point.yLow), shortest(point.yHigh), point.label, id};
}

/// "Sensitivity from 12 to 80; 56 tiles" of a map.
QString mapSummary(const std::vector<PlotSeries>& series, const PlotAxes& axes) {
    Extent z;
    int tiles = 0;
    for (const PlotSeries& one : series) {
        for (const PlotPoint& point : one.points) {
            z.take(point.z);
            tiles += std::isfinite(point.z) ? 1 : 0;
        }
    }
    if (tiles == 0) {
        return tr("%1: no values yet").arg(axes.zLabel);
    }
    return tr("%1 by %2 and %3: %4 tiles, from %5 to %6")
        .arg(axes.zLabel, axes.xLabel, axes.yLabel)
        .arg(tiles)
        .arg(siNumber(z.low), siNumber(z.high));
}

QString quantity(const QString& label) {
    const qsizetype unit = label.indexOf(QStringLiteral(" ("));
    return unit > 0 ? label.left(unit) : label;
}

} // namespace

ShownData shownData(const std::vector<PlotSeries>& series, const PlotAxes& axes) {
    ShownData data;
    data.xFloor = floorOf(series, &PlotPoint::x, axes.xLog);
    data.yFloor = floorOf(series, &PlotPoint::y, axes.yLog);
    Extent x;
    Extent y;
    for (const PlotSeries& one : series) {
        ShownSeries shown;
        for (std::size_t i = 0; i < one.points.size(); ++i) {
            ShownPoint point = shownPoint(one.points[i], i, data);
            if (axes.yLog && point.yLow <= 0.0) {
                point.yLow = data.yFloor.value_or(point.y * 0.1);
            }
            if (std::isfinite(point.x)) {
                const double half = one.bars ? 0.5 : 0.0;
                x.take(std::isfinite(point.y) ? point.x - half : kNaN);
                x.take(std::isfinite(point.y) ? point.x + half : kNaN);
                shown.points.push_back(point);
            }
            y.take(point.y);
            y.take(one.bars && !axes.yLog ? 0.0 : kNaN);
            y.take(point.yLow);
            y.take(point.yHigh);
        }
        std::ranges::stable_sort(shown.points, {}, &ShownPoint::x);
        data.series.push_back(std::move(shown));
    }
    if (data.drawn > 0) {
        data.xMin = x.low;
        data.xMax = x.high;
        data.yMin = y.low;
        data.yMax = y.high;
    }
    return data;
}

QString hiddenNote(const ShownData& data) {
    QStringList parts;
    if (data.clamped > 0) {
        const QString floor = siNumber(data.yFloor.value_or(data.xFloor.value_or(1.0)));
        parts
            << (data.clamped == 1 ? tr("1 value ≤ 0 hidden, drawn at the floor %1").arg(floor)
                                  : tr("%1 values ≤ 0 hidden, drawn at the floor %2")
                                        .arg(data.clamped)
                                        .arg(floor));
    }
    if (data.missing > 0) {
        parts
            << (data.missing == 1 ? tr("1 point without a value")
                                  : tr("%1 points without a value").arg(data.missing));
    }
    return parts.join(QStringLiteral(" · "));
}

QString siNumber(double value, int digits) {
    if (!std::isfinite(value)) {
        return QStringLiteral("–");
    }
    static constexpr std::array<const char*, 9> kPrefixes{"p", "n", "µ", "m", "",
                                                          "k", "M", "G", "T"};
    constexpr int kNone = 4;
    int step = value == 0.0 ? 0 : static_cast<int>(std::floor(std::log10(std::abs(value)) / 3.0));
    // Thousandths and thousands with few digits read better as they are.
    if (std::abs(value) >= 1e-3 && std::abs(value) < 1e4) {
        step = 0;
    }
    step = std::clamp(step, -kNone, static_cast<int>(kPrefixes.size()) - 1 - kNone);
    const double scaled = value / std::pow(1000.0, step);
    QLocale locale;
    locale.setNumberOptions(QLocale::OmitGroupSeparator);
    const QString number = locale.toString(scaled, 'g', digits);
    const auto prefix = QString::fromUtf8(kPrefixes[static_cast<std::size_t>(step + kNone)]);
    return prefix.isEmpty() ? number : number + QChar(0x202F) + prefix;
}

QString pointText(const PlotAxes& axes, const PlotSeries& series, const PlotPoint& point) {
    QString head = series.name;
    if (!point.label.isEmpty()) {
        head += (head.isEmpty() ? QString() : QStringLiteral(" · ")) + point.label;
    }
    QStringList lines;
    if (!head.isEmpty()) {
        lines << head;
    }
    const QString xName = xNameAt(axes, point.x);
    lines << tr("%1: %2").arg(axes.xLabel, xName.isEmpty() ? siNumber(point.x, 5) : xName);
    const QString yName = yNameAt(axes, point.y);
    if (axes.isMap()) {
        lines << tr("%1: %2").arg(axes.yLabel, yName.isEmpty() ? siNumber(point.y, 5) : yName)
              << tr("%1: %2").arg(axes.zLabel, siNumber(point.z, 5));
        return lines.join(QLatin1Char('\n'));
    }
    QString value = yName.isEmpty() ? siNumber(point.y, 5) : yName;
    if (std::isfinite(point.yLow) && std::isfinite(point.yHigh) && point.yHigh > point.yLow) {
        value += tr(" [%1 to %2]").arg(siNumber(point.yLow, 5), siNumber(point.yHigh, 5));
    }
    lines << tr("%1: %2").arg(axes.yLabel, value);
    return lines.join(QLatin1Char('\n'));
}

QString plotSummary(const std::vector<PlotSeries>& series, const PlotAxes& axes) {
    if (axes.isMap()) {
        return mapSummary(series, axes);
    }
    const ShownData data = shownData(series, axes);
    if (data.drawn == 0) {
        return tr("%1 against %2: no points yet").arg(quantity(axes.yLabel), quantity(axes.xLabel));
    }
    QString text = tr("%1 against %2: %3 series")
                       .arg(quantity(axes.yLabel), quantity(axes.xLabel))
                       .arg(series.size());
    text += data.drawn == 1 ? tr(", 1 point") : tr(", %1 points").arg(data.drawn);
    text += tr("; %1 from %2 to %3").arg(axes.yLabel, siNumber(data.yMin), siNumber(data.yMax));
    text += tr("; %1 from %2 to %3").arg(axes.xLabel, siNumber(data.xMin), siNumber(data.xMax));
    for (const QString& more : {axes.corner, hiddenNote(data)}) {
        text += more.isEmpty() ? QString() : QStringLiteral("; ") + more;
    }
    return text;
}

QString plotTsv(const std::vector<PlotSeries>& series, const PlotAxes& axes) {
    const auto line = [](QStringList fields) {
        for (QString& field : fields) {
            field.replace(QLatin1Char('\t'), QLatin1Char(' '));
            field.replace(QLatin1Char('\n'), QLatin1Char(' '));
        }
        return fields.join(QLatin1Char('\t')) + QLatin1Char('\n');
    };
    QString text = line(headLine(axes));
    for (const PlotSeries& one : series) {
        for (const PlotPoint& point : one.points) {
            text += line(row(one, point, axes));
        }
    }
    return text;
}

QByteArray
plotCsv(const std::vector<PlotSeries>& series, const PlotAxes& axes, const QString& provenance) {
    QByteArray csv =
        "# " + QString(provenance).replace(QLatin1Char('\n'), QLatin1Char(' ')).toUtf8() + "\r\n";
    csv += csvLine(headLine(axes));
    for (const PlotSeries& one : series) {
        for (const PlotPoint& point : one.points) {
            csv += csvLine(row(one, point, axes));
        }
    }
    return csv;
}

Json plotJson(
    const std::vector<PlotSeries>& series, const PlotAxes& axes, const QString& provenance) {
    Json all = Json::array();
    for (const PlotSeries& one : series) {
        Json points = Json::array();
        for (const PlotPoint& point : one.points) {
            points.push_back(
                {{"x", jsonNumber(point.x)},
                 {"y", jsonNumber(point.y)},
                 {"low", jsonNumber(point.yLow)},
                 {"high", jsonNumber(point.yHigh)},
                 {"label", point.label.toStdString()},
                 {"id", point.id}});
            if (axes.isMap()) {
                points.back()["z"] = jsonNumber(point.z);
            }
        }
        all.push_back({{"name", one.name.toStdString()}, {"points", std::move(points)}});
    }
    Json json = {
        {"schema", "lathe.plot.1"},
        {"provenance", provenance.toStdString()},
        {"title", axes.title.toStdString()},
        {"x", axes.xLabel.toStdString()},
        {"y", axes.yLabel.toStdString()},
        {"x_log", axes.xLog},
        {"y_log", axes.yLog},
        {"series", std::move(all)}};
    if (axes.isMap()) {
        json["z"] = axes.zLabel.toStdString();
    }
    for (const auto& [key, names] :
         {std::pair{"x_names", &axes.xNames}, std::pair{"y_names", &axes.yNames}}) {
        for (const QString& name : *names) {
            json[key].push_back(name.toStdString());
        }
    }
    for (const PlotPlace& place : axes.yPlaces) {
        json["y_places"].push_back(
            {{"y", jsonNumber(place.at)}, {"name", place.name.toStdString()}});
    }
    if (!axes.corner.isEmpty()) {
        json["note"] = axes.corner.toStdString();
    }
    return json;
}

} // namespace lathe
