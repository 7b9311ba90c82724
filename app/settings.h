// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "app/preferences.h"

#include <QObject>
#include <QThreadPool>
#include <QTimer>

#include <functional>

namespace lathe {

/// The preferences of the running program: written one second after the last change, on a thread of
/// its own, and at the end.
class Settings : public QObject {
    Q_OBJECT
public:
    /// Reads `file`.
    explicit Settings(QString file, QObject* parent = nullptr);
    ~Settings() override; ///< writes what is not written yet

    const Preferences& get() const { return m_now; }
    /// Changes some values: `edit` gets them to write to.
    void change(const std::function<void(Preferences&)>& edit);
    void resetToDefaults();
    void saveNow();
    const QString& file() const { return m_file; }
    /// What was wrong in the file.
    const QStringList& problems() const { return m_problems; }

signals:
    void changed();
    void saveFailed(const QString& why);

private:
    QString m_file;
    Preferences m_now, m_written;
    QStringList m_problems;
    QTimer m_timer;
    QThreadPool m_pool; ///< one thread: writes stay in order
};

} // namespace lathe
