// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <string>
#include <sys/types.h>
#include <utility>
#include <vector>

namespace lathe {

/// A file descriptor that closes itself.
class FileDescriptor {
public:
    FileDescriptor() = default;
    explicit FileDescriptor(int fd) : m_fd(fd) {}
    ~FileDescriptor() { reset(); }
    FileDescriptor(FileDescriptor&& other) noexcept : m_fd(std::exchange(other.m_fd, -1)) {}
    FileDescriptor& operator=(FileDescriptor&& other) noexcept;
    void reset() noexcept;
    int get() const noexcept { return m_fd; }
    explicit operator bool() const noexcept { return m_fd >= 0; }

private:
    int m_fd = -1;
};

/// A program started with all three standard streams in our hands. The child's input is a socket,
/// so that writing to a dead child raises no signal; it leads a process group of its own, so that
/// Ctrl-C in the terminal reaches the parent alone.
class ChildProcess {
public:
    /// @throws InputError when the program cannot be started, naming it.
    ChildProcess(
        const std::vector<std::string>& command,
        const std::vector<std::pair<std::string, std::string>>& environment);
    ~ChildProcess(); ///< kills and reaps what is left
    ChildProcess(const ChildProcess&) = delete;
    ChildProcess& operator=(const ChildProcess&) = delete;

    pid_t pid() const noexcept { return m_pid; }
    FileDescriptor input;  ///< non-blocking
    FileDescriptor output; ///< non-blocking
    FileDescriptor error;  ///< non-blocking

    /// Waits until it has ended, at most so long, then kills it and waits on.
    void finish(std::chrono::milliseconds patience);
    void kill() noexcept;
    /// How it ended: "was killed by signal 9 (Killed)", "ended with status 3". After finish().
    std::string ending() const;

private:
    pid_t m_pid = 0;
    int m_status = 0;
    bool m_reaped = false;
};

} // namespace lathe
