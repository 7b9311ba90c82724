// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/resources.h"

#include <QCoreApplication>
#include <QFileInfo>
#include <QStandardPaths>

namespace lathe {

QStringList engineCommand() {
    const QString name = QStringLiteral("lathe-run");
    QString program = QCoreApplication::applicationDirPath() + QLatin1Char('/') + name;
    if (!QFileInfo(program).isExecutable()) {
        const QString found = QStandardPaths::findExecutable(name);
        program = found.isEmpty() ? program : found;
    }
    return {program, QStringLiteral("serve")};
}

QString firstStartSpecFile() {
    const QString own = qEnvironmentVariable("LATHE_RESOURCES");
    const QString beside = QCoreApplication::applicationDirPath();
    // The last one is the source tree of a build tree.
    const QStringList candidates{
        own.isEmpty() ? QString() : own + QStringLiteral("/specs/first_start.json"),
        beside + QStringLiteral("/../share/lathe/specs/first_start.json"),
        QStringLiteral(LATHE_SOURCE_FOLDER "/experiments/specs/first_start.json")};
    for (const QString& candidate : candidates) {
        if (!candidate.isEmpty() && QFileInfo(candidate).isFile()) {
            return candidate;
        }
    }
    return {};
}

} // namespace lathe
