// SPDX-License-Identifier: GPL-3.0-or-later
#include "widgets/base/plot_export.h"

#include "widgets/base/picture_file.h"
#include "widgets/base/theme.h"

#include <QBuffer>
#include <QCoreApplication>
#include <QFileInfo>
#include <QPdfWriter>

namespace lathe {

namespace {

constexpr int kFontPixels = 12; ///< in exported pictures, at scale 1
constexpr double kLogicalDpi = 96.0;

QString tr(const char* text) { return QCoreApplication::translate("PlotView", text); }

} // namespace

QString provenanceLine(const QString& extra) {
    const QString program = QStringLiteral("lathe " LATHE_VERSION);
    return extra.isEmpty() ? program : program + QStringLiteral("; ") + extra;
}

PlotPrinter::PlotPrinter(QCustomPlot& plot, PlotScene& scene, PlotDocument document)
    : m_plot(plot), m_scene(scene), m_document(std::move(document)) {
    m_scene.setSelectionShown(false);
    m_scene.setLook(false, kFontPixels);
}

PlotPrinter::~PlotPrinter() {
    m_scene.setSelectionShown(true);
    m_scene.setLook(Theme::isDark());
    m_plot.replot(QCustomPlot::rpQueuedReplot);
}

QByteArray PlotPrinter::png(QSize pixels, double scale) {
    QImage image = m_plot.toPixmap(pixels.width(), pixels.height(), scale).toImage();
    image.setText(QStringLiteral("Title"), m_document.axes.title);
    image.setText(QStringLiteral("Software"), QStringLiteral("lathe " LATHE_VERSION));
    image.setText(QStringLiteral("Description"), m_document.provenance);
    constexpr double kMetre = 39.37007874;
    const int dots = qRound(kLogicalDpi * scale * kMetre);
    image.setDotsPerMeterX(dots);
    image.setDotsPerMeterY(dots);
    QByteArray bytes;
    QBuffer buffer(&bytes);
    buffer.open(QIODevice::WriteOnly);
    image.save(&buffer, "PNG");
    return bytes;
}

void PlotPrinter::paint(QPaintDevice& device, QSize pixels) {
    QCPPainter painter(&device);
    painter.setMode(QCPPainter::pmVectorized);
    painter.setMode(QCPPainter::pmNoCaching);
    painter.setMode(QCPPainter::pmNonCosmetic);
    painter.fillRect(QRect(QPoint(0, 0), pixels), Theme::palette(false).color(QPalette::Base));
    m_plot.toPainter(&painter, pixels.width(), pixels.height());
}

QByteArray PlotPrinter::svg(QSize pixels) {
    const auto draw = [this](QPaintDevice& device, QSize size) { paint(device, size); };
    return svgBytes({m_document.axes.title, m_document.provenance, draw}, pixels);
}

QByteArray PlotPrinter::pdf(QSize pixels) {
    QByteArray bytes;
    QBuffer buffer(&bytes);
    buffer.open(QIODevice::WriteOnly);
    {
        QPdfWriter writer(&buffer);
        writer.setTitle(m_document.axes.title);
        writer.setCreator(m_document.provenance);
        writer.setResolution(qRound(kLogicalDpi));
        const QSizeF points = QSizeF(pixels) * (72.0 / kLogicalDpi);
        writer.setPageSize(QPageSize(points, QPageSize::Point, {}, QPageSize::ExactMatch));
        writer.setPageMargins(QMarginsF(0, 0, 0, 0));
        const Json data = plotJson(m_document.series, m_document.axes, m_document.provenance);
        writer.addFileAttachment(
            QStringLiteral("data.json"), QByteArray::fromStdString(dumpJsonPretty(data)),
            QStringLiteral("application/json"));
        paint(writer, pixels);
    }
    return bytes;
}

QString PlotPrinter::write(const QString& path, QSize pixels, double scale) {
    const QString suffix = QFileInfo(path).suffix().toLower();
    QByteArray bytes;
    if (suffix == QLatin1String("png")) {
        bytes = png(pixels, scale);
    } else if (suffix == QLatin1String("svg")) {
        bytes = svg(pixels);
    } else if (suffix == QLatin1String("pdf")) {
        bytes = pdf(pixels);
    } else if (suffix == QLatin1String("csv")) {
        bytes = plotCsv(m_document.series, m_document.axes, m_document.provenance);
    } else if (suffix == QLatin1String("json")) {
        bytes = QByteArray::fromStdString(dumpJsonPretty(
                    plotJson(m_document.series, m_document.axes, m_document.provenance))) +
                '\n';
    } else {
        return tr("%1: the ending must be .png, .svg, .pdf, .csv or .json").arg(path);
    }
    return writeBytes(path, bytes);
}

std::unique_ptr<QMimeData> PlotPrinter::mimeData(QSize pixels) {
    auto mime = std::make_unique<QMimeData>();
    const QByteArray picture = png(pixels, 2.0);
    mime->setImageData(QImage::fromData(picture, "PNG"));
    mime->setData(QStringLiteral("image/png"), picture);
    mime->setData(QStringLiteral("image/svg+xml"), svg(pixels));
    const QString table = plotTsv(m_document.series, m_document.axes);
    mime->setText(table);
    mime->setData(QStringLiteral("text/tab-separated-values"), table.toUtf8());
    return mime;
}

} // namespace lathe
