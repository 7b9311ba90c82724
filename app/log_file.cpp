// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/log_file.h"

#include <QDir>
#include <QFile>
#include <QFileInfo>

namespace lathe {

namespace {

QString numbered(const QString& path, int number) {
    return number == 0 ? path : QStringLiteral("%1.%2").arg(path).arg(number);
}

void rotate(const QString& path) {
    QFile::remove(numbered(path, LogFile::kFiles - 1));
    for (int number = LogFile::kFiles - 1; number > 0; --number) {
        QFile::rename(numbered(path, number - 1), numbered(path, number));
    }
}

void append(const QString& path, const QByteArray& line) {
    if (QFileInfo(path).size() + line.size() > LogFile::kMaxBytes) {
        rotate(path);
    }
    QFile file(path);
    if (file.open(QIODevice::Append)) {
        file.write(line);
    }
}

} // namespace

QString defaultLogFile() {
    const QString home = qEnvironmentVariable("XDG_STATE_HOME");
    const QString state = home.startsWith(QLatin1Char('/'))
                              ? home
                              : QDir::homePath() + QStringLiteral("/.local/state");
    return state + QStringLiteral("/lathe/lathe.log");
}

LogFile::LogFile(QString path) : m_path(std::move(path)) {
    m_pool.setMaxThreadCount(1);
    if (!m_path.isEmpty()) {
        m_pool.start([folder = QFileInfo(m_path).path()] { QDir().mkpath(folder); });
    }
}

LogFile::~LogFile() { m_pool.waitForDone(); }

void LogFile::add(const QString& line) {
    if (!m_path.isEmpty()) {
        m_pool.start([path = m_path, bytes = line.toUtf8() + '\n'] { append(path, bytes); });
    }
}

} // namespace lathe
