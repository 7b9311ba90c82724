// SPDX-License-Identifier: GPL-3.0-or-later
#include "widgets/runs/run_files.h"

#include "widgets/base/table_csv.h"
#include "widgets/runs/run_list_model.h"
#include "widgets/runs/store_worker.h"

#include <QDateTime>
#include <QTimeZone>

namespace lathe {

namespace {

QString isoTime(qint64 ms) {
    return ms > 0 ? QDateTime::fromMSecsSinceEpoch(ms, QTimeZone::utc()).toString(Qt::ISODateWithMs)
                  : QString();
}

QString seconds(const RunRow& row) {
    return row.startedMs > 0 && row.finishedMs >= row.startedMs
               ? QString::number(static_cast<double>(row.finishedMs - row.startedMs) / 1e3)
               : QString();
}

QByteArray csvRow(const RunRow& row) {
    const auto text = [](const std::string& value) { return QString::fromStdString(value); };
    return csvLine(
        {QString::number(row.id), text(row.uuid), isoTime(row.createdMs), isoTime(row.startedMs),
         isoTime(row.finishedMs), seconds(row), text(row.study), text(row.title),
         QString::fromUtf8(nameOf(row.state)), text(row.message), QString::number(row.cellsDone),
         QString::number(row.cellsTotal), modelOfRun(row), text(row.device), text(row.tags),
         text(row.notes)});
}

} // namespace

QByteArray runsCsv(RunReader& reader, const QString& query) {
    QByteArray csv = csvLine(
        {QStringLiteral("id"), QStringLiteral("uuid"), QStringLiteral("created"),
         QStringLiteral("started"), QStringLiteral("finished"), QStringLiteral("seconds"),
         QStringLiteral("study"), QStringLiteral("title"), QStringLiteral("state"),
         QStringLiteral("message"), QStringLiteral("cells_done"), QStringLiteral("cells_total"),
         QStringLiteral("model"), QStringLiteral("device"), QStringLiteral("tags"),
         QStringLiteral("notes")});
    RunQuery page{.text = query.toStdString()};
    for (;;) {
        const std::vector<RunRow> rows = reader.runs(page);
        for (const RunRow& row : rows) {
            csv += csvRow(row);
        }
        if (static_cast<int>(rows.size()) < page.limit) {
            return csv;
        }
        page.beforeId = rows.back().id;
    }
}

void writeRunJson(
    StoreWorker& worker, QObject* receiver, qint64 runId, const QString& path, FileDone done) {
    worker.ask(
        receiver,
        [runId, path, done](RunReader& reader) {
            const std::string text = dumpJsonPretty(exportRun(reader, runId));
            const QString problem = writeFile(path, QByteArray::fromStdString(text) + '\n');
            return [path, problem, done] { done(path, problem); };
        },
        [path, done](const QString& problem) { done(path, problem); });
}

void writeRunsCsv(
    StoreWorker& worker, QObject* receiver, const QString& query, const QString& path,
    FileDone done) {
    worker.ask(
        receiver,
        [query, path, done](RunReader& reader) {
            const QString problem = writeFile(path, runsCsv(reader, query));
            return [path, problem, done] { done(path, problem); };
        },
        [path, done](const QString& problem) { done(path, problem); });
}

} // namespace lathe
