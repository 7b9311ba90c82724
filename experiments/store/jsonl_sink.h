// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "engine/core/event_sink.h"

#include <atomic>
#include <string>

namespace lathe {

/// Writes one JSON object per line: for each finished cell
/// {"study": ..., "run": id, "params": {...}, "metrics": {...}}, for each failure {"error": ...}.
class JsonlSink : public EventSink {
public:
    /// @param fd    stays the caller's; written with write(2), so nothing waits in a buffer.
    JsonlSink(int fd, std::string study) : m_fd(fd), m_study(std::move(study)) {}

    void post(Event event) noexcept override;
    void fail(const std::string& message, const Json& where = Json::object()) noexcept;
    /// The reader is gone (closed pipe) or the disk is full: lines are dropped from then on.
    bool broken() const noexcept { return m_error != 0; }
    /// errno of the write that failed; 0 when none did.
    int error() const noexcept { return m_error; }

private:
    void write(const Json& line) noexcept;

    int m_fd;
    std::string m_study;
    std::string m_lastError; ///< a failed cell and its run say the same
    std::atomic<int> m_error{0};
};

} // namespace lathe
