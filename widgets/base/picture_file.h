// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <QSize>
#include <QString>

#include <functional>

class QPaintDevice;

namespace lathe {

/// A picture that can be drawn at any size, for files.
struct Picture {
    QString title;
    QString provenance; ///< run ids and version
    std::function<void(QPaintDevice&, QSize)> paint;
};

QByteArray pngBytes(const Picture& picture, QSize pixels, double scale);
/// Text stays text.
QByteArray svgBytes(const Picture& picture, QSize pixels);
/// By the suffix: png, svg. @return an empty text, or why it failed.
QString writePicture(const Picture& picture, const QString& path, QSize pixels, double scale);
/// @return an empty text, or why it failed.
QString writeBytes(const QString& path, const QByteArray& bytes);

} // namespace lathe
