// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <QString>

#include <functional>

class QObject;

namespace lathe {

class RunReader;
class StoreWorker;

/// What is told when a file has been written; `problem` is empty when all went well.
using FileDone = std::function<void(const QString& path, const QString& problem)>;

/// Writes a whole run as JSON on the worker's thread.
void writeRunJson(
    StoreWorker& worker, QObject* receiver, qint64 runId, const QString& path, FileDone done);
/// Writes every run that the query matches as CSV: all columns of the table, numbers and times in
/// the C locale, times as ISO 8601 in UTC.
void writeRunsCsv(
    StoreWorker& worker, QObject* receiver, const QString& query, const QString& path,
    FileDone done);
/// The same as bytes.
QByteArray runsCsv(RunReader& reader, const QString& query);

} // namespace lathe
