// SPDX-License-Identifier: Apache-2.0
#include "experiments/cli/cancel_signals.h"

#include "engine/core/error.h"

#include <array>
#include <csignal>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <unistd.h>
#include <utility>

namespace lathe {

namespace {

constexpr int kCancelled = 130;

sigset_t cancelSet() {
    sigset_t set;
    sigemptyset(&set);
    for (const int signal : {SIGINT, SIGTERM, SIGHUP}) {
        sigaddset(&set, signal);
    }
    return set;
}

} // namespace

CancelSignals::CancelSignals() {
    const sigset_t set = cancelSet();
    pthread_sigmask(SIG_BLOCK, &set, nullptr);
    m_signals = signalfd(-1, &set, SFD_CLOEXEC);
    m_wake = eventfd(0, EFD_CLOEXEC);
    if (m_signals < 0 || m_wake < 0) {
        throw InternalError("no file descriptor is left for signals");
    }
}

CancelSignals::~CancelSignals() {
    const std::uint64_t one = 1;
    [[maybe_unused]] const ssize_t count = ::write(m_wake, &one, sizeof one);
    if (m_thread.joinable()) {
        m_thread.join();
    }
    ::close(m_signals);
    ::close(m_wake);
}

void CancelSignals::listen(std::function<void()> cancel) {
    m_thread = std::jthread([this, cancel = std::move(cancel)] {
        bool asked = false;
        for (;;) {
            std::array<pollfd, 2> fds{{{m_signals, POLLIN, 0}, {m_wake, POLLIN, 0}}};
            ::poll(fds.data(), fds.size(), -1);
            if (fds[1].revents != 0) {
                return;
            }
            signalfd_siginfo info{};
            if (fds[0].revents != 0 && ::read(m_signals, &info, sizeof info) == sizeof info) {
                if (std::exchange(asked, true)) {
                    ::_exit(kCancelled); // the store marks the run as interrupted at its next start
                }
                cancel();
            }
        }
    });
}

} // namespace lathe
