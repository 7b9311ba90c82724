// SPDX-License-Identifier: Apache-2.0
#include "experiments/runner.h"

#include "engine/core/check.h"
#include "engine/core/grid.h"
#include "engine/core/hash.h"
#include "experiments/elapsed.h"

#include <algorithm>
#include <exception>
#include <new>
#include <optional>

namespace lathe {

namespace {

constexpr int kDone = 0;
constexpr int kCheckFailed = 1;
constexpr int kBadInput = 2;
constexpr int kEngineFailure = 3;
constexpr int kCancelled = 130;

/// Why a cell or a run ended badly.
struct Failure {
    std::string message;
    int status = kEngineFailure;
};

int statusOf(ErrorKind kind) {
    switch (kind) {
    case ErrorKind::Input:
    case ErrorKind::Format:
    case ErrorKind::Unsupported:
        return kBadInput;
    case ErrorKind::Device:
    case ErrorKind::Internal:
        break;
    }
    return kEngineFailure;
}

/// Calls `work`; what it throws, Cancelled aside, comes back as a Failure.
template <class Work>
std::optional<Failure> attempt(Work&& work) {
    try {
        work();
        return std::nullopt;
    } catch (const Error& e) {
        return Failure{e.what(), statusOf(e.kind())};
    } catch (const std::bad_alloc&) {
        return Failure{"out of memory; choose a smaller model or shorter windows", kEngineFailure};
    } catch (const std::exception& e) {
        return Failure{e.what(), kEngineFailure};
    }
}

Device deviceOf(const Spec& spec) {
    if (spec.device == "auto" && !spec.target.empty()) {
        const bool cuda = targetFromName(spec.target) == Target::Cuda;
        return Device::parse(cuda ? "cuda" : "cpu");
    }
    return Device::parse(spec.device);
}

ExecOptions optionsOf(const Spec& spec) {
    ExecOptions options{.threads = spec.threads};
    if (!spec.target.empty()) {
        options.target = targetFromName(spec.target);
    }
    return options;
}

/// The files that a cell's numbers hang on, and their hashes.
struct InputFiles {
    std::map<std::string, std::string> hashes; ///< as named in the Spec -> XXH3-128

    void add(const ParamSpec& param, const Json& value, const std::function<void()>& poll) {
        const bool model = param.kind == ParamKind::Model;
        if ((!model && param.kind != ParamKind::File) || !value.is_string() ||
            value.get_ref<const std::string&>().empty()) {
            return;
        }
        const auto name = value.get<std::string>();
        if (!model && !param.choices.empty()) {
            if (param.isNamed(name)) {
                return;
            }
            std::error_code unreadable;
            LATHE_CHECK(
                std::filesystem::is_regular_file(name, unreadable),
                "--" + param.flagName() + " " + name + " is no file and none of " +
                    joined(param.choices));
        }
        try {
            if (!hashes.contains(name)) {
                hashes[name] =
                    hashPath(model ? resolveModel(name) : std::filesystem::path(name), poll);
            }
        } catch (const std::filesystem::filesystem_error& e) { // a folder that may not be entered
            throw InputError(
                "--" + param.flagName() + " " + name + " cannot be read (" + e.code().message() +
                ")");
        }
    }
    void add(const std::filesystem::path& path, const std::function<void()>& poll) {
        hashes[path.string()] = hashPath(path, poll);
    }

    std::string combined() const {
        std::string all;
        for (const auto& [name, hash] : hashes) {
            all += hash;
        }
        return all;
    }
};

/// One run from its Spec to its last event.
class Execution {
public:
    Execution(const Spec& spec, const Registry<Study>& list, RunControl& run, ModelCache& models)
        : m_spec(spec), m_list(list), m_run(run), m_models(models) {}

    /// Exit status of the run. @throws whatever ends the whole run.
    int perform();
    const Json& summary() const { return m_summary; }
    const std::optional<Failure>& failure() const { return m_failure; }

private:
    void prepare();
    void requireRoom();
    void announce();
    void runCells();
    void runCell(std::size_t index);
    void finish(double seconds);

    Spec m_spec;
    const Registry<Study>& m_list;
    RunControl& m_run;
    ModelCache& m_models;
    const Study* m_study = nullptr;
    InputFiles m_files;
    std::vector<Json> m_cells;
    std::vector<std::string> m_keys;
    std::unique_ptr<ExecContext> m_exec;
    std::unique_ptr<ExecContext> m_cpu; ///< null on a CPU run
    RunCache m_cache;
    int m_done = 0;
    int m_failed = 0;
    int m_skipped = 0;
    int m_status = kDone;
    std::optional<Failure> m_failure; ///< of the first failed cell
    std::string m_outputHash;
    Json m_summary = Json::object();
};

int Execution::perform() {
    const auto start = Clock::now();
    prepare();
    announce();
    runCells();
    finish(secondsSince(start));
    return m_status;
}

void Execution::prepare() {
    m_run.checkpoint();
    m_study = &m_list.at(m_spec.study);
    requireValid(m_spec, m_study->info());
    m_spec = withDefaults(m_spec, m_study->info());
    m_exec = contextOf(m_spec);
    if (m_exec->device().isCuda()) {
        m_cpu = std::make_unique<ExecContext>(Device{}, ExecOptions{.threads = m_spec.threads});
    }
    m_run.progress(0.0, "reading the model's files");
    if (m_study->loadsModels()) {
        requireRoom();
    }
    const auto poll = [this] { m_run.checkpoint(); };
    for (const ParamSpec& param : m_study->info().params) {
        if (const auto value = m_spec.params.find(param.name); value != m_spec.params.end()) {
            m_files.add(param, *value, poll);
        }
        for (const Json& value : m_spec.sweep.value(param.name, Json::array())) {
            m_files.add(param, value, poll);
        }
    }
    for (const std::filesystem::path& path : m_study->inputFiles(m_spec)) {
        m_files.add(path, poll);
    }
    m_cells = m_study->cells(m_spec);
    Spec resolved = m_spec;
    resolved.device = m_exec->device().isCuda() ? "cuda" : "cpu";
    resolved.target = nameOf(m_exec->target());
    for (const Json& cell : m_cells) {
        m_keys.push_back(cellKey(m_spec.study, cell, resolved, m_files.combined(), buildId()));
    }
}

void Execution::requireRoom() {
    for (const ParamSpec& param : m_study->info().params) {
        const auto value = m_spec.params.find(param.name);
        if (param.kind == ParamKind::Model && value != m_spec.params.end() && value->is_string() &&
            !value->get_ref<const std::string&>().empty()) {
            m_models.requireRoom(value->get<std::string>(), *m_exec);
        }
    }
}

void Execution::announce() {
    Json record = captureEnvironment(*m_exec);
    record["cells"] = m_cells.size();
    record["models"] = m_files.hashes;
    m_run.emit(RunChanged{RunState::Running, {}, std::move(record)});
}

void Execution::runCells() {
    const auto share = [this](std::size_t cell) {
        return static_cast<double>(cell) / static_cast<double>(m_cells.size());
    };
    for (std::size_t i = 0; i < m_cells.size(); ++i) {
        m_run.checkpoint();
        m_run.beginCell(static_cast<int>(i), share(i), share(i + 1));
        if (std::ranges::find(m_spec.done, m_keys[i]) != m_spec.done.end()) {
            ++m_skipped;
            m_run.emit(CellChanged{CellState::Skipped, m_keys[i], m_cells[i]});
        } else {
            runCell(i);
        }
        m_run.endCell();
    }
}

void Execution::runCell(std::size_t index) {
    m_run.emit(CellChanged{CellState::Running, m_keys[index], m_cells[index]});
    Spec cell = m_spec;
    cell.params = m_cells[index];
    cell.sweep = Json::object();
    cell.done.clear();
    StudyContext context{m_run, *m_exec, m_cpu ? *m_cpu : *m_exec, m_models, m_cache};
    Json metrics;
    std::optional<Failure> failure = attempt([&] {
        metrics = m_study->run(cell, context);
        m_exec->synchronize();
    });
    if (failure) {
        ++m_failed;
        m_run.log(LogLevel::Error, failure->message);
        m_run.emit(CellChanged{
            CellState::Failed, m_keys[index], m_cells[index], Json::object(), failure->message});
        m_status = std::max(m_status, failure->status);
        if (!m_failure) {
            m_failure = std::move(failure);
        }
        return;
    }
    ++m_done;
    m_outputHash = metrics.value("output_hash", m_outputHash);
    if (m_study->failed(metrics)) {
        m_status = std::max(m_status, kCheckFailed);
    }
    m_run.emit(CellChanged{CellState::Done, m_keys[index], m_cells[index], std::move(metrics)});
}

void Execution::finish(double seconds) {
    m_summary = {
        {"cells_done", m_done},
        {"cells_failed", m_failed},
        {"cells_skipped", m_skipped},
        {"seconds", seconds},
        {"output_hash", m_outputHash}};
    if (m_done + m_skipped > 0) {
        m_failure.reset();
    }
}

} // namespace

std::unique_ptr<ExecContext> contextOf(const Spec& spec) {
    return std::make_unique<ExecContext>(deviceOf(spec), optionsOf(spec));
}

Runner::Runner(EventSink& sink, const Registry<Study>& list) : m_sink(sink), m_list(list) {
    m_thread = std::jthread([this](std::stop_token stop) { work(std::move(stop)); });
}

Runner::~Runner() {
    {
        const std::lock_guard lock(m_mutex);
        for (const auto& job : m_jobs) {
            job->stop.request_stop();
        }
    }
    m_thread.request_stop();
    m_thread.join();
}

void Runner::start(std::int64_t runId, const Spec& spec) {
    auto job = std::make_shared<Job>(Job{runId, spec, {}});
    {
        const std::lock_guard lock(m_mutex);
        m_jobs.push_back(std::move(job));
    }
    m_changed.notify_all();
}

void Runner::cancel(std::int64_t runId) noexcept {
    const std::lock_guard lock(m_mutex);
    for (const auto& job : m_jobs) {
        if (job->id == runId) {
            job->stop.request_stop();
        }
    }
}

void Runner::waitIdle() {
    std::unique_lock lock(m_mutex);
    m_changed.wait(lock, [this] { return m_jobs.empty(); });
}

bool Runner::waitIdle(const std::stop_token& stop) {
    std::unique_lock lock(m_mutex);
    return m_changed.wait(lock, stop, [this] { return m_jobs.empty(); });
}

bool Runner::betweenRuns(const std::function<void(ModelCache&)>& work) {
    const std::lock_guard lane(m_lane);
    {
        const std::lock_guard lock(m_mutex);
        if (!m_jobs.empty()) {
            return false;
        }
    }
    work(m_models);
    return true;
}

int Runner::exitStatus() const {
    const std::lock_guard lock(m_mutex);
    return m_exitStatus;
}

void Runner::work(std::stop_token stop) {
    for (;;) {
        std::shared_ptr<Job> job;
        {
            std::unique_lock lock(m_mutex);
            m_changed.wait(lock, stop, [this] { return !m_jobs.empty(); });
            if (m_jobs.empty()) {
                return;
            }
            job = m_jobs.front();
        }
        if (stop.stop_requested()) {
            job->stop.request_stop();
        }
        {
            const std::lock_guard lane(m_lane);
            execute(*job);
        }
        {
            const std::lock_guard lock(m_mutex);
            m_jobs.pop_front();
        }
        m_changed.notify_all();
    }
}

void Runner::execute(Job& job) {
    RunControl run(job.id, m_sink, job.stop.get_token());
    Execution execution(job.spec, m_list, run, m_models);
    int status = kEngineFailure;
    RunChanged last{RunState::Failed, "unknown fault"};
    try {
        const std::optional<Failure> failure = attempt([&] { status = execution.perform(); });
        if (failure) {
            status = failure->status;
            last = {RunState::Failed, failure->message};
        } else if (execution.failure()) {
            last = {RunState::Failed, execution.failure()->message, execution.summary()};
        } else {
            last = {RunState::Done, {}, execution.summary()};
        }
    } catch (const Cancelled&) {
        run.endCell();
        status = kCancelled;
        last = {RunState::Cancelled};
    }
    {
        const std::lock_guard lock(m_mutex);
        m_exitStatus = status;
    }
    run.emit(std::move(last));
}

} // namespace lathe
