// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "engine/core/event_sink.h"
#include "engine/core/run_service.h"
#include "experiments/model_cache.h"
#include "experiments/study.h"

#include <condition_variable>
#include <deque>
#include <functional>
#include <map>
#include <mutex>
#include <thread>

namespace lathe {

/// Runs Specs in this process on one worker thread: resolves the device, expands the sweep, skips
/// cells whose key is in `done`, runs cell by cell, records the environment, turns exceptions into
/// RunChanged{Failed}. A failed cell of a sweep leaves the others running. Every measured number of
/// the product passes through here.
class Runner : public RunService {
public:
    /// @param list what Specs may name; outlives the Runner.
    explicit Runner(EventSink& sink, const Registry<Study>& list = studies());
    ~Runner() override; ///< cancels and joins

    void start(std::int64_t runId, const Spec& spec) override;
    void cancel(std::int64_t runId) noexcept override;
    /// Waits until no run is active or queued.
    void waitIdle();
    /// The same, or until a stop is asked for. @return whether it is idle
    bool waitIdle(const std::stop_token& stop);
    /// Does something beside the runs, with the models that they keep: no run begins before it has
    /// ended, so that none is measured meanwhile. @return false, nothing done, when one is active
    bool betweenRuns(const std::function<void(ModelCache&)>& work);
    /// After the last run: exit status of the command line (0, 1, 2, 3, 130).
    int exitStatus() const;

private:
    struct Job {
        std::int64_t id;
        Spec spec;
        std::stop_source stop;
    };
    void work(std::stop_token stop);
    void execute(Job& job);

    EventSink& m_sink;
    const Registry<Study>& m_list;
    ModelCache m_models;
    mutable std::mutex m_mutex;
    std::condition_variable_any m_changed;
    std::deque<std::shared_ptr<Job>> m_jobs; ///< front is the active one
    std::mutex m_lane; ///< held by the run, or by what happens between runs; before m_mutex
    int m_exitStatus = 0;
    std::jthread m_thread; ///< last: starts when all else stands
};

/// Device, target and threads of a Spec. A named CPU target means the CPU even where `auto` would
/// take a GPU. @throws DeviceError
std::unique_ptr<ExecContext> contextOf(const Spec& spec);
/// EngineInfo of this process.
EngineInfo describeEngine();
/// Version and git revision of this program: part of a cell's key.
std::string buildId();
/// Compiler, git revision, cpu, gpu, driver, libraries, threads, locale: stored with each run.
Json captureEnvironment(ExecContext& context);

} // namespace lathe
