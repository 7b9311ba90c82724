// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <QString>
#include <QThreadPool>

namespace lathe {

/// The log on disk: five files of two MiB, the newest without a number. Written on a thread of its
/// own. Where it cannot be written, nothing happens: the window shows the log anyway.
class LogFile {
public:
    static constexpr qint64 kMaxBytes = qint64{2} << 20;
    static constexpr int kFiles = 5;

    /// Empty: nothing is written.
    explicit LogFile(QString path);
    ~LogFile(); ///< writes what is queued
    void add(const QString& line);

private:
    QString m_path;
    QThreadPool m_pool; ///< one thread: lines stay in order
};

/// $XDG_STATE_HOME/lathe/lathe.log.
QString defaultLogFile();

} // namespace lathe
