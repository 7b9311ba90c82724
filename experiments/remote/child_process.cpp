// SPDX-License-Identifier: Apache-2.0
#include "experiments/remote/child_process.h"

#include "engine/core/error.h"

#include <array>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <fcntl.h>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>

namespace lathe {

namespace {

constexpr std::chrono::milliseconds kReapPause{5};

struct Pair {
    FileDescriptor ours;
    FileDescriptor theirs;
};

[[noreturn]] void fail(const char* what, int error) {
    throw DeviceError(std::string(what) + ": " + std::strerror(error));
}

void setNonBlocking(const FileDescriptor& fd) {
    fcntl(fd.get(), F_SETFL, fcntl(fd.get(), F_GETFL) | O_NONBLOCK);
}

Pair makePipe() {
    std::array<int, 2> ends{};
    if (pipe2(ends.data(), O_CLOEXEC) != 0) {
        fail("cannot make a pipe to the engine", errno);
    }
    return {FileDescriptor(ends[0]), FileDescriptor(ends[1])};
}

Pair makeSocket() {
    std::array<int, 2> ends{};
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends.data()) != 0) {
        fail("cannot make a socket to the engine", errno);
    }
    return {FileDescriptor(ends[0]), FileDescriptor(ends[1])};
}

/// The parent's environment with additions, as execve takes it.
class EnvironmentBlock {
public:
    explicit EnvironmentBlock(const std::vector<std::pair<std::string, std::string>>& added) {
        for (char** entry = environ; *entry != nullptr; ++entry) {
            const std::string_view text = *entry;
            bool replaced = false;
            for (const auto& [name, value] : added) {
                replaced = replaced || text.starts_with(name + "=");
            }
            if (!replaced) {
                m_texts.emplace_back(text);
            }
        }
        for (const auto& [name, value] : added) {
            m_texts.push_back(name + "=" + value);
        }
        for (std::string& text : m_texts) {
            m_pointers.push_back(text.data());
        }
        m_pointers.push_back(nullptr);
    }
    char** data() { return m_pointers.data(); }

private:
    std::vector<std::string> m_texts;
    std::vector<char*> m_pointers;
};

/// posix_spawn's two option objects, freed together. The child starts with no signal blocked and
/// every handler as usual, whatever the parent's thread has set.
struct SpawnSettings {
    SpawnSettings() {
        posix_spawn_file_actions_init(&actions);
        posix_spawnattr_init(&attributes);
        sigset_t none;
        sigset_t all;
        sigemptyset(&none);
        sigfillset(&all);
        posix_spawnattr_setsigmask(&attributes, &none);
        posix_spawnattr_setsigdefault(&attributes, &all);
        posix_spawnattr_setpgroup(&attributes, 0);
        posix_spawnattr_setflags(
            &attributes,
            static_cast<short>(
                POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETPGROUP));
    }
    ~SpawnSettings() {
        posix_spawn_file_actions_destroy(&actions);
        posix_spawnattr_destroy(&attributes);
    }
    SpawnSettings(const SpawnSettings&) = delete;
    SpawnSettings& operator=(const SpawnSettings&) = delete;

    posix_spawn_file_actions_t actions{};
    posix_spawnattr_t attributes{};
};

} // namespace

FileDescriptor& FileDescriptor::operator=(FileDescriptor&& other) noexcept {
    if (this != &other) {
        reset();
        m_fd = std::exchange(other.m_fd, -1);
    }
    return *this;
}

void FileDescriptor::reset() noexcept {
    if (m_fd >= 0) {
        ::close(std::exchange(m_fd, -1));
    }
}

ChildProcess::ChildProcess(
    const std::vector<std::string>& command,
    const std::vector<std::pair<std::string, std::string>>& environment) {
    if (command.empty()) {
        throw InputError("no program is named for the engine");
    }
    Pair in = makeSocket();
    Pair out = makePipe();
    Pair err = makePipe();
    SpawnSettings settings;
    posix_spawn_file_actions_adddup2(&settings.actions, in.theirs.get(), STDIN_FILENO);
    posix_spawn_file_actions_adddup2(&settings.actions, out.theirs.get(), STDOUT_FILENO);
    posix_spawn_file_actions_adddup2(&settings.actions, err.theirs.get(), STDERR_FILENO);
    std::vector<std::string> arguments = command;
    std::vector<char*> argv;
    for (std::string& argument : arguments) {
        argv.push_back(argument.data());
    }
    argv.push_back(nullptr);
    EnvironmentBlock block(environment);
    const int failed = posix_spawnp(
        &m_pid, argv.front(), &settings.actions, &settings.attributes, argv.data(), block.data());
    if (failed != 0) {
        throw InputError(
            "the engine " + command.front() + " cannot be started: " + std::strerror(failed));
    }
    input = std::move(in.ours);
    output = std::move(out.ours);
    error = std::move(err.ours);
    setNonBlocking(input);
    setNonBlocking(output);
    setNonBlocking(error);
}

ChildProcess::~ChildProcess() {
    input.reset();
    finish(std::chrono::milliseconds(0));
}

void ChildProcess::kill() noexcept {
    if (!m_reaped && m_pid > 0) {
        ::kill(m_pid, SIGKILL);
    }
}

void ChildProcess::finish(std::chrono::milliseconds patience) {
    const auto until = std::chrono::steady_clock::now() + patience;
    while (!m_reaped) {
        const pid_t done = waitpid(m_pid, &m_status, WNOHANG);
        if (done == m_pid || (done < 0 && errno == ECHILD)) {
            m_reaped = true;
        } else if (std::chrono::steady_clock::now() >= until) {
            kill();
            while (waitpid(m_pid, &m_status, 0) < 0 && errno == EINTR) {
            }
            m_reaped = true;
        } else {
            std::this_thread::sleep_for(kReapPause);
        }
    }
}

std::string ChildProcess::ending() const {
    if (WIFSIGNALED(m_status)) {
        const int signal = WTERMSIG(m_status);
        const char* name = sigdescr_np(signal);
        return "was killed by signal " + std::to_string(signal) +
               (name != nullptr ? std::string(" (") + name + ")" : std::string());
    }
    return "ended with status " + std::to_string(WEXITSTATUS(m_status));
}

} // namespace lathe
