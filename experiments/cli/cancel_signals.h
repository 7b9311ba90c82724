// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <thread>

namespace lathe {

/// Turns SIGINT, SIGTERM and SIGHUP into a call on a thread of its own. Made before any other
/// thread, so that all of them leave these signals alone. The second signal ends the process at
/// once.
class CancelSignals {
public:
    CancelSignals();
    ~CancelSignals();
    CancelSignals(const CancelSignals&) = delete;
    CancelSignals& operator=(const CancelSignals&) = delete;

    /// Signals that came before are handed on now.
    void listen(std::function<void()> cancel);

private:
    int m_signals = -1; ///< signalfd
    int m_wake = -1;    ///< eventfd, ends the thread
    std::jthread m_thread;
};

} // namespace lathe
