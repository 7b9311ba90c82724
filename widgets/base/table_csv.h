// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <QByteArray>
#include <QString>

class QAbstractItemModel;
class QWidget;

namespace lathe {

/// RFC 4180: the header line and every row. Qt::EditRole is written where the model has it (bare
/// numbers in the C locale), else what is displayed.
QByteArray tableCsv(const QAbstractItemModel& model);
/// One line of fields, quoted where needed, with its line end.
QByteArray csvLine(const QStringList& fields);
/// Asks for a file and writes the model there; a failure is told in a box beside it. `name` is the
/// file's suggested name without suffix.
void exportTableInteractively(
    QWidget* parent, const QAbstractItemModel& model, const QString& name);
/// Writes all bytes or none. Returns why not, empty when done.
QString writeFile(const QString& path, const QByteArray& bytes);

} // namespace lathe
