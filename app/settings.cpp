// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/settings.h"

#include <QMetaObject>

namespace lathe {

namespace {
constexpr int kDelayMs = 1000;
} // namespace

Settings::Settings(QString file, QObject* parent)
    : QObject(parent), m_file(std::move(file)), m_now(readPreferences(m_file, m_problems)),
      m_written(m_now) {
    m_pool.setMaxThreadCount(1);
    m_timer.setSingleShot(true);
    m_timer.setInterval(kDelayMs);
    connect(&m_timer, &QTimer::timeout, this, &Settings::saveNow);
}

Settings::~Settings() {
    m_pool.waitForDone();
    if (!(m_now == m_written)) {
        static_cast<void>(writePreferences(m_now, m_file));
    }
}

void Settings::change(const std::function<void(Preferences&)>& edit) {
    const Preferences before = m_now;
    edit(m_now);
    if (!(m_now == before)) {
        m_timer.start();
        emit changed();
    }
}

void Settings::resetToDefaults() {
    change([](Preferences& p) {
        const bool started = p.firstStartDone;
        const qint64 seen = p.seenInterrupted;
        p = Preferences{};
        p.firstStartDone = started; // the demonstration stays a thing of the very first start
        p.seenInterrupted = seen;
    });
}

void Settings::saveNow() {
    m_timer.stop();
    m_written = m_now;
    m_pool.start([this, values = m_now, file = m_file] {
        const QString why = writePreferences(values, file);
        if (!why.isEmpty()) {
            QMetaObject::invokeMethod(
                this, [this, why] { emit saveFailed(why); }, Qt::QueuedConnection);
        }
    });
}

} // namespace lathe
