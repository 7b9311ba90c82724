// SPDX-License-Identifier: GPL-3.0-or-later
#include "widgets/base/table_csv.h"

#include <QAbstractItemModel>
#include <QCoreApplication>
#include <QFileDialog>
#include <QLocale>
#include <QMessageBox>
#include <QSaveFile>

#include <cmath>

namespace lathe {

namespace {

QString tr(const char* text) { return QCoreApplication::translate("TableCsv", text); }

QString fieldText(const QVariant& value) {
    switch (value.typeId()) {
    case QMetaType::Double:
    case QMetaType::Float:
        return std::isfinite(value.toDouble())
                   ? QString::number(value.toDouble(), 'g', QLocale::FloatingPointShortest)
                   : QString();
    default:
        return value.toString();
    }
}

QString quoted(QString text) {
    static const QString kSpecial = QStringLiteral("\",\r\n");
    for (const QChar c : kSpecial) {
        if (text.contains(c)) {
            text.replace(QLatin1Char('"'), QStringLiteral("\"\""));
            return QLatin1Char('"') + text + QLatin1Char('"');
        }
    }
    return text;
}

} // namespace

QByteArray csvLine(const QStringList& fields) {
    QStringList all;
    for (const QString& field : fields) {
        all << quoted(field);
    }
    return all.join(QLatin1Char(',')).toUtf8() + "\r\n";
}

QByteArray tableCsv(const QAbstractItemModel& model) {
    QStringList head;
    for (int column = 0; column < model.columnCount(); ++column) {
        head << model.headerData(column, Qt::Horizontal).toString();
    }
    QByteArray csv = csvLine(head);
    for (int row = 0; row < model.rowCount(); ++row) {
        QStringList fields;
        for (int column = 0; column < model.columnCount(); ++column) {
            const QModelIndex index = model.index(row, column);
            const QVariant raw = index.data(Qt::EditRole);
            fields << fieldText(raw.isValid() ? raw : index.data());
        }
        csv += csvLine(fields);
    }
    return csv;
}

QString writeFile(const QString& path, const QByteArray& bytes) {
    QSaveFile file(path);
    if (!file.open(QIODevice::WriteOnly) || file.write(bytes) != bytes.size() || !file.commit()) {
        return tr("%1 could not be written: %2").arg(path, file.errorString());
    }
    return {};
}

void exportTableInteractively(
    QWidget* parent, const QAbstractItemModel& model, const QString& name) {
    auto* dialog = new QFileDialog(parent, tr("Export table"));
    dialog->setAttribute(Qt::WA_DeleteOnClose);
    dialog->setAcceptMode(QFileDialog::AcceptSave);
    dialog->setNameFilters({tr("Comma-separated values (*.csv)")});
    dialog->setDefaultSuffix(QStringLiteral("csv"));
    dialog->selectFile(name + QStringLiteral(".csv"));
    // As the table was when the export was asked for.
    const QByteArray csv = tableCsv(model);
    QObject::connect(
        dialog, &QFileDialog::fileSelected, parent, [parent, csv](const QString& path) {
            if (const QString problem = writeFile(path, csv); !problem.isEmpty()) {
                auto* box = new QMessageBox(
                    QMessageBox::Warning, tr("Export table"), problem, QMessageBox::Ok, parent);
                box->setAttribute(Qt::WA_DeleteOnClose);
                box->open();
            }
        });
    dialog->open();
}

} // namespace lathe
