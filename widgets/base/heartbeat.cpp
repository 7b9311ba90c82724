// SPDX-License-Identifier: GPL-3.0-or-later
#include "widgets/base/heartbeat.h"

#include <QFile>
#include <QSaveFile>

#include <algorithm>
#include <ctime>
#include <unistd.h>

namespace lathe {

namespace {

double bootMilliseconds() {
    timespec now{};
    clock_gettime(CLOCK_BOOTTIME, &now);
    return static_cast<double>(now.tv_sec) * 1e3 + static_cast<double>(now.tv_nsec) / 1e6;
}

double processStartMilliseconds() {
    QFile stat(QStringLiteral("/proc/self/stat"));
    if (!stat.open(QIODevice::ReadOnly)) {
        return bootMilliseconds();
    }
    // The name in parentheses may hold spaces; field 22 counts from behind it.
    const QByteArray line = stat.readAll();
    const QList<QByteArray> fields = line.mid(line.lastIndexOf(')') + 2).split(' ');
    constexpr qsizetype kStartTime = 19;
    const auto ticks = static_cast<double>(sysconf(_SC_CLK_TCK));
    return fields.size() > kStartTime ? fields[kStartTime].toDouble() / ticks * 1e3
                                      : bootMilliseconds();
}

} // namespace

double millisecondsSinceStart() {
    static const double kStart = processStartMilliseconds();
    return bootMilliseconds() - kStart;
}

Heartbeat::Heartbeat(QObject* parent) : QObject(parent) {
    m_timer.setTimerType(Qt::PreciseTimer);
    m_timer.setInterval(kPeriodMs);
    connect(&m_timer, &QTimer::timeout, this, &Heartbeat::beat);
}

void Heartbeat::start() {
    m_since.start();
    m_timer.start();
}

void Heartbeat::beat() {
    const double elapsed = static_cast<double>(m_since.nsecsElapsed()) / 1e6;
    m_since.start();
    record(std::max(0.0, elapsed - kPeriodMs));
}

void Heartbeat::record(double lateMs) {
    ++m_beats;
    const auto bucket =
        std::ranges::find_if(kBoundsMs, [lateMs](int bound) { return lateMs <= bound; });
    ++m_counts[static_cast<std::size_t>(bucket - kBoundsMs.begin())];
    if (lateMs > m_maxMs) {
        m_maxMs = lateMs;
        m_maxAtMs = millisecondsSinceStart();
    }
}

void Heartbeat::mark(const QString& name) { m_marks.try_emplace(name, millisecondsSinceStart()); }

Json Heartbeat::report() const {
    Json histogram = Json::array();
    for (std::size_t i = 0; i < m_counts.size(); ++i) {
        const Json bound = i < kBoundsMs.size() ? Json(kBoundsMs[i]) : Json();
        histogram.push_back({{"up_to_ms", bound}, {"count", m_counts[i]}});
    }
    Json marks = Json::object();
    for (const auto& [name, at] : m_marks) {
        marks[name.toStdString()] = at;
    }
    constexpr std::size_t kFifty = 6; // index of 50 ms in the bounds
    qint64 over = 0;
    for (std::size_t i = kFifty + 1; i < m_counts.size(); ++i) {
        over += m_counts[i];
    }
    return {{"beats", m_beats},      {"max_ms", m_maxMs},      {"max_at_ms", m_maxAtMs},
            {"over_50_ms", over},    {"histogram", histogram}, {"marks", marks},
            {"period_ms", kPeriodMs}};
}

QString Heartbeat::writeTo(const QString& path) const {
    QSaveFile file(path);
    if (!file.open(QIODevice::WriteOnly)) {
        return file.errorString();
    }
    file.write(QByteArray::fromStdString(dumpJsonPretty(report()) + "\n"));
    return file.commit() ? QString() : file.errorString();
}

} // namespace lathe
