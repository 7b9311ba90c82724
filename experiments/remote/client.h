// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "engine/core/event_sink.h"
#include "engine/core/run_service.h"

#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace lathe {

enum class EngineState { Starting, Ready, Restarting, Refused, Stopped };

/// Told from the client's threads; must not throw or wait.
struct EngineObserver {
    virtual ~EngineObserver() = default;
    virtual void engineStateChanged(EngineState state, std::string message) noexcept = 0;
    virtual void engineReady(const EngineInfo& info) noexcept = 0;
    virtual void
    engineSaid(std::string line) noexcept = 0; ///< a line of the child's standard error
    virtual void modelDescribed(ModelInfo info) noexcept = 0;
    /// {"question": id, "result": {...}}, or {..., "error": why}: also when the child has ended.
    virtual void questionAnswered(Json answer) noexcept = 0;
};

/// The engine in a child process (`lathe-run serve`, nice 5). Without Qt: posix_spawn, all pipes
/// close-on-exec, one reader thread. When the child dies, and only after end of file and waitpid
/// with all frames consumed, every run active in it is reported as Crashed with the child's last
/// words, and a new child is started; three crashes within a minute stop that until `restart()`.
/// Specs that were not sent yet stay queued meanwhile. Needs no signal setting of the program: the
/// child's input is a socket written with MSG_NOSIGNAL.
class RemoteEngine : public RunService {
public:
    struct Options {
        std::vector<std::string> command; ///< program and arguments
        int nice = 5; ///< passed as `--nice N`, which the child sets for itself; 0: not passed
        std::vector<std::pair<std::string, std::string>> environment{}; ///< added to the child's
        std::chrono::milliseconds helloTimeout{60000}; ///< a child silent for longer is killed
    };

    RemoteEngine(Options options, EventSink& sink, EngineObserver& observer);
    ~RemoteEngine() override; ///< closes the child's input, waits at most 1 s, then kills it

    /// Queues the Spec until the child is ready. Any thread; never blocks on the child.
    void start(std::int64_t runId, const Spec& spec) override;
    void cancel(std::int64_t runId) noexcept override;
    /// Asks the child what a model file or folder is; answered by EngineObserver::modelDescribed.
    void describeModel(const std::string& path);
    /// Asks one of EngineInfo::questions, once the child is ready; each is answered once by
    /// EngineObserver::questionAnswered. @param question  {"question": id, "about": ..., ...}
    void ask(Json question);
    /// Starts anew after Stopped or Refused; a living child is killed and replaced.
    void restart();
    /// Process id of the present child, 0 when there is none (shown in the status bar; tests kill
    /// it).
    int childPid() const noexcept;
    EngineState state() const noexcept;

private:
    struct Impl;
    std::unique_ptr<Impl> m_impl;
};

} // namespace lathe
