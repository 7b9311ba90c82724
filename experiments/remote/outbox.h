// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <mutex>
#include <vector>

namespace lathe {

/// Frames for the child. Written by whoever has something to say as far as the socket takes it, the
/// rest by the poll loop: nobody waits for the child.
class Outbox {
public:
    /// @param fd  a socket; stays the caller's
    void open(int fd);
    void close() { open(-1); }
    /// Dropped when there is no child.
    void send(const std::vector<std::byte>& frame);
    void flush();
    bool pending() const;

private:
    void flushLocked();

    mutable std::mutex m_mutex;
    int m_fd = -1;
    std::vector<std::byte> m_bytes;
};

} // namespace lathe
