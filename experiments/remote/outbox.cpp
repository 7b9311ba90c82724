// SPDX-License-Identifier: Apache-2.0
#include "experiments/remote/outbox.h"

#include <cerrno>
#include <sys/socket.h>

namespace lathe {

void Outbox::open(int fd) {
    const std::lock_guard lock(m_mutex);
    m_fd = fd;
    m_bytes.clear();
}

void Outbox::send(const std::vector<std::byte>& frame) {
    const std::lock_guard lock(m_mutex);
    if (m_fd >= 0) {
        m_bytes.insert(m_bytes.end(), frame.begin(), frame.end());
        flushLocked();
    }
}

void Outbox::flush() {
    const std::lock_guard lock(m_mutex);
    flushLocked();
}

bool Outbox::pending() const {
    const std::lock_guard lock(m_mutex);
    return !m_bytes.empty();
}

void Outbox::flushLocked() {
    std::size_t sent = 0;
    while (m_fd >= 0 && sent < m_bytes.size()) {
        const ssize_t count =
            ::send(m_fd, m_bytes.data() + sent, m_bytes.size() - sent, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (count > 0) {
            sent += static_cast<std::size_t>(count);
        } else if (errno == EAGAIN || errno == EWOULDBLOCK) {
            break;
        } else if (errno != EINTR) {
            sent = m_bytes.size(); // a dead child: its end is noticed where its output is read
        }
    }
    m_bytes.erase(m_bytes.begin(), m_bytes.begin() + static_cast<std::ptrdiff_t>(sent));
}

} // namespace lathe
