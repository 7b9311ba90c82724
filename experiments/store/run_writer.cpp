// SPDX-License-Identifier: Apache-2.0
#include "experiments/store/run_writer.h"

#include "experiments/store/run_records.h"

#include <algorithm>
#include <future>
#include <map>
#include <optional>
#include <variant>

namespace lathe {

namespace {

using Clock = std::chrono::steady_clock;

constexpr std::size_t kCapacity = 8192;                        // jobs
constexpr std::size_t kCapacityBytes = std::size_t{128} << 20; // of arrays and artifacts
constexpr std::chrono::milliseconds kGather{10};               // commits share a transaction
constexpr std::chrono::milliseconds kFirstPause{50};
constexpr std::chrono::milliseconds kLongestPause{1000};
constexpr std::chrono::seconds kFlushPatience{10};
constexpr std::chrono::seconds kFarewellPatience{3};

struct InsertRun {
    Spec spec;
    std::string title;
    std::shared_ptr<std::promise<std::int64_t>> id;
};
struct SetTags {
    std::int64_t run;
    std::string text;
};
struct SetNotes {
    std::int64_t run;
    std::string text;
};
struct Barrier {
    std::shared_ptr<std::promise<void>> reached;
};
using Job = std::variant<Event, InsertRun, SetTags, SetNotes, Barrier>;

bool isProgress(const Job& job) {
    const auto* event = std::get_if<Event>(&job);
    return event != nullptr && std::holds_alternative<Progress>(event->payload);
}

std::size_t bytesOf(const Job& job) {
    const auto* event = std::get_if<Event>(&job);
    return event != nullptr ? payloadBytes(event->payload).size() : 0;
}

/// Who asks for a new run while the store cannot be written learns it at once: the GUI thread
/// waits.
template <class Jobs>
void refuseRequests(Jobs& jobs, const std::exception_ptr& why) {
    std::erase_if(jobs, [&why](const Job& job) {
        const auto* insert = std::get_if<InsertRun>(&job);
        if (insert != nullptr) {
            insert->id->set_exception(why);
        }
        return insert != nullptr;
    });
}

} // namespace

struct RunWriter::Impl {
    Impl(const std::filesystem::path& path, std::vector<EventSink*> sinks);
    ~Impl();

    void enqueue(Job job);
    void work(const std::stop_token& stop);
    bool waitForJobs(const std::stop_token& stop);
    void store(std::vector<Job>& batch, const std::stop_token& stop);
    void writeAll(std::vector<Job>& batch);
    void writeOneByOne(std::vector<Job>& batch, const std::stop_token& stop);
    bool writeAlone(Job& job, const std::stop_token& stop);
    bool mayTryAgain(const std::stop_token& stop, const std::exception_ptr& why);
    void write(Job& job);
    void answer(std::vector<Job>& batch);
    void handOn(std::vector<Job>& batch);
    void setProblem(std::string text);
    void setLost(std::string text);

    Database db;
    RunRecords records;
    std::vector<EventSink*> after;

    mutable std::mutex mutex;
    std::condition_variable_any changed; ///< jobs arrived, or room appeared
    std::deque<Job> queue;
    std::size_t queuedBytes = 0;
    Clock::time_point firstArrival{};
    bool urgent = false; ///< somebody waits for an answer
    std::int64_t merged = 0;
    std::chrono::milliseconds pause = kFirstPause; ///< before the next attempt
    std::optional<Clock::time_point> giveUp;       ///< set once, when stopping
    std::string problem;                           ///< of the present attempts
    std::string lost; ///< the last event that could not be stored at all; stays
    std::map<const void*, std::int64_t> insertedIds; ///< by promise, of the batch being written
    std::jthread thread;                             ///< last: starts when all else stands
};

RunWriter::Impl::Impl(const std::filesystem::path& path, std::vector<EventSink*> sinks)
    : db(path, Database::Mode::ReadWrite), records(db), after(std::move(sinks)) {
    Transaction transaction(db);
    records.markInterrupted();
    transaction.commit();
    thread = std::jthread([this](const std::stop_token& stop) { work(stop); });
}

RunWriter::Impl::~Impl() {
    thread.request_stop();
    thread.join();
}

void RunWriter::Impl::enqueue(Job job) {
    const bool progress = isProgress(job);
    std::unique_lock lock(mutex);
    const auto hasRoom = [this] {
        return queue.size() < kCapacity && queuedBytes < kCapacityBytes;
    };
    if (!hasRoom() && progress) {
        const std::int64_t run = std::get<Event>(job).runId;
        const auto pending = std::find_if(queue.rbegin(), queue.rend(), [run](const Job& other) {
            return isProgress(other) && std::get<Event>(other).runId == run;
        });
        if (pending != queue.rend()) {
            *pending = std::move(job);
            ++merged;
            return;
        }
        // One Progress of a run may stand above the limit: the latest one is never lost.
    } else if (std::this_thread::get_id() != thread.get_id()) {
        // The writer itself never waits for itself (a sink that posts).
        changed.wait(lock, hasRoom);
    }
    if (queue.empty()) {
        firstArrival = Clock::now();
    }
    urgent =
        urgent || std::holds_alternative<InsertRun>(job) || std::holds_alternative<Barrier>(job);
    queuedBytes += bytesOf(job);
    queue.push_back(std::move(job));
    lock.unlock();
    changed.notify_all();
}

bool RunWriter::Impl::waitForJobs(const std::stop_token& stop) {
    std::unique_lock lock(mutex);
    changed.wait(lock, stop, [this] { return !queue.empty(); });
    if (queue.empty()) {
        return false;
    }
    changed.wait_until(lock, stop, firstArrival + kGather, [this] {
        return urgent || queue.size() >= kCapacity / 2;
    });
    return true;
}

void RunWriter::Impl::work(const std::stop_token& stop) {
    while (waitForJobs(stop)) {
        std::vector<Job> batch;
        {
            const std::lock_guard lock(mutex);
            batch.assign(
                std::make_move_iterator(queue.begin()), std::make_move_iterator(queue.end()));
            queue.clear();
            queuedBytes = 0;
            urgent = false;
        }
        changed.notify_all();
        store(batch, stop);
        handOn(batch);
        answer(batch);
    }
}

/// Returns when the batch is committed. What cannot be written now is tried again; the queue behind
/// it fills up and slows the run down rather than lose anything. Only a stopping writer gives up.
void RunWriter::Impl::store(std::vector<Job>& batch, const std::stop_token& stop) {
    pause = kFirstPause;
    for (;;) {
        std::exception_ptr why;
        try {
            writeAll(batch);
            setProblem({});
            return;
        } catch (const StoreError& e) {
            setProblem(e.what());
            if (!e.mayPass()) {
                break;
            }
            why = std::current_exception();
            refuseRequests(batch, why);
        } catch (const std::exception&) {
            break;
        }
        if (!mayTryAgain(stop, why)) {
            batch.clear();
            return;
        }
    }
    writeOneByOne(batch, stop);
    setProblem({});
}

/// Waits a moment, and refuses new runs meanwhile.
/// @return false when the writer stops and has been patient for long enough
bool RunWriter::Impl::mayTryAgain(const std::stop_token& stop, const std::exception_ptr& why) {
    if (stop.stop_requested()) {
        giveUp = giveUp ? giveUp : Clock::now() + kFarewellPatience;
        if (Clock::now() > *giveUp) {
            return false;
        }
    }
    const auto until = Clock::now() + pause;
    std::unique_lock lock(mutex);
    do {
        refuseRequests(queue, why);
        urgent = false;
    } while (changed.wait_until(lock, until, [this] { return urgent; }));
    pause = std::min(pause * 2, kLongestPause);
    return true;
}

void RunWriter::Impl::writeAll(std::vector<Job>& batch) {
    insertedIds.clear();
    const bool needed = std::ranges::any_of(batch, [](const Job& job) {
        return !isProgress(job) && !std::holds_alternative<Barrier>(job);
    });
    if (!needed) {
        return;
    }
    Transaction transaction(db);
    for (Job& job : batch) {
        write(job);
    }
    transaction.commit();
}

/// One of the batch can never be written (an event of a run that is not there): it alone is left
/// out, with a word in problem().
void RunWriter::Impl::writeOneByOne(std::vector<Job>& batch, const std::stop_token& stop) {
    insertedIds.clear();
    std::erase_if(batch, [&](Job& job) { return !writeAlone(job, stop); });
}

bool RunWriter::Impl::writeAlone(Job& job, const std::stop_token& stop) {
    auto* insert = std::get_if<InsertRun>(&job);
    for (;;) {
        try {
            Transaction transaction(db);
            write(job);
            transaction.commit();
            return true;
        } catch (const std::exception& e) {
            const auto* refused = dynamic_cast<const StoreError*>(&e);
            if (insert == nullptr && refused != nullptr && refused->mayPass() &&
                mayTryAgain(stop, std::current_exception())) {
                setProblem(e.what());
                continue;
            }
            setLost(std::string("one event could not be stored: ") + e.what());
            if (insert != nullptr) {
                insert->id->set_exception(std::current_exception());
            }
            return false;
        }
    }
}

void RunWriter::Impl::write(Job& job) {
    if (auto* event = std::get_if<Event>(&job)) {
        records.apply(*event);
    } else if (const auto* insert = std::get_if<InsertRun>(&job)) {
        insertedIds[insert->id.get()] = records.insertRun(insert->spec, insert->title);
    } else if (const auto* tags = std::get_if<SetTags>(&job)) {
        records.setTags(tags->run, tags->text);
    } else if (const auto* notes = std::get_if<SetNotes>(&job)) {
        records.setNotes(notes->run, notes->text);
    }
}

void RunWriter::Impl::answer(std::vector<Job>& batch) {
    for (const Job& job : batch) {
        if (const auto* insert = std::get_if<InsertRun>(&job)) {
            insert->id->set_value(insertedIds.at(insert->id.get()));
        } else if (const auto* barrier = std::get_if<Barrier>(&job)) {
            barrier->reached->set_value();
        }
    }
}

void RunWriter::Impl::handOn(std::vector<Job>& batch) {
    std::map<std::int64_t, const Job*> latest;
    for (const Job& job : batch) {
        if (isProgress(job)) {
            latest[std::get<Event>(job).runId] = &job;
        }
    }
    std::int64_t dropped = 0;
    for (Job& job : batch) {
        auto* event = std::get_if<Event>(&job);
        if (event == nullptr) {
            continue;
        }
        if (isProgress(job) && latest[event->runId] != &job) {
            ++dropped;
            continue;
        }
        for (EventSink* sink : after) {
            sink->post(*event);
        }
    }
    const std::lock_guard lock(mutex);
    merged += dropped;
}

void RunWriter::Impl::setProblem(std::string text) {
    const std::lock_guard lock(mutex);
    problem = std::move(text);
}

void RunWriter::Impl::setLost(std::string text) {
    const std::lock_guard lock(mutex);
    lost = std::move(text);
}

RunWriter::RunWriter(const std::filesystem::path& path, std::vector<EventSink*> after)
    : m_impl(std::make_unique<Impl>(path, std::move(after))) {}

RunWriter::~RunWriter() = default;

std::int64_t RunWriter::insertRun(const Spec& spec, std::string_view title) {
    auto id = std::make_shared<std::promise<std::int64_t>>();
    auto answer = id->get_future();
    m_impl->enqueue(InsertRun{spec, std::string(title), std::move(id)});
    return answer.get();
}

void RunWriter::setTags(std::int64_t runId, std::string_view tags) {
    m_impl->enqueue(SetTags{runId, std::string(tags)});
}

void RunWriter::setNotes(std::int64_t runId, std::string_view notes) {
    m_impl->enqueue(SetNotes{runId, std::string(notes)});
}

void RunWriter::post(Event event) noexcept {
    try {
        m_impl->enqueue(std::move(event));
    } catch (const std::exception& e) {
        m_impl->setLost(std::string("an event was lost: ") + e.what());
    }
}

void RunWriter::flush() {
    auto reached = std::make_shared<std::promise<void>>();
    auto answer = reached->get_future();
    m_impl->enqueue(Barrier{std::move(reached)});
    answer.wait_for(kFlushPatience);
}

std::string RunWriter::problem() const {
    const std::lock_guard lock(m_impl->mutex);
    return m_impl->problem.empty() ? m_impl->lost : m_impl->problem;
}

std::int64_t RunWriter::mergedProgress() const {
    const std::lock_guard lock(m_impl->mutex);
    return m_impl->merged;
}

} // namespace lathe
