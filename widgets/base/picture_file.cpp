// SPDX-License-Identifier: GPL-3.0-or-later
#include "widgets/base/picture_file.h"

#include <QBuffer>
#include <QCoreApplication>
#include <QFileInfo>
#include <QImage>
#include <QSaveFile>
#include <QSvgGenerator>

namespace lathe {

namespace {

constexpr double kLogicalDpi = 96.0;

QString tr(const char* text) { return QCoreApplication::translate("PictureFile", text); }

} // namespace

QByteArray pngBytes(const Picture& picture, QSize pixels, double scale) {
    QImage image(pixels * scale, QImage::Format_ARGB32_Premultiplied);
    image.setDevicePixelRatio(scale);
    image.fill(Qt::white);
    picture.paint(image, pixels);
    image.setText(QStringLiteral("Title"), picture.title);
    image.setText(QStringLiteral("Software"), QStringLiteral("lathe " LATHE_VERSION));
    image.setText(QStringLiteral("Description"), picture.provenance);
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

QByteArray svgBytes(const Picture& picture, QSize pixels) {
    QByteArray bytes;
    QBuffer buffer(&bytes);
    buffer.open(QIODevice::WriteOnly);
    QSvgGenerator generator;
    generator.setOutputDevice(&buffer);
    generator.setSize(pixels);
    generator.setViewBox(QRect(QPoint(0, 0), pixels));
    generator.setResolution(qRound(kLogicalDpi));
    generator.setTitle(picture.title);
    generator.setDescription(picture.provenance);
    picture.paint(generator, pixels);
    return bytes;
}

QString writePicture(const Picture& picture, const QString& path, QSize pixels, double scale) {
    const QString suffix = QFileInfo(path).suffix().toLower();
    if (suffix != QLatin1String("png") && suffix != QLatin1String("svg")) {
        return tr("%1: the ending must be .png or .svg").arg(path);
    }
    constexpr int kMostPixels = 30'000; // beyond, a picture cannot be painted on
    if (pixels.isEmpty() || pixels.width() * scale > kMostPixels ||
        pixels.height() * scale > kMostPixels) {
        return tr("%1: a picture must have between 1 and %2 pixels on each side")
            .arg(path)
            .arg(kMostPixels);
    }
    return writeBytes(
        path, suffix == QLatin1String("png") ? pngBytes(picture, pixels, scale)
                                             : svgBytes(picture, pixels));
}

QString writeBytes(const QString& path, const QByteArray& bytes) {
    QSaveFile file(path);
    if (!file.open(QIODevice::WriteOnly) || file.write(bytes) != bytes.size() || !file.commit()) {
        return tr("%1: %2").arg(path, file.errorString());
    }
    return {};
}

} // namespace lathe
