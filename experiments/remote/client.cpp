// SPDX-License-Identifier: Apache-2.0
#include "experiments/remote/client.h"

#include "engine/core/error.h"
#include "engine/core/json_number.h"
#include "experiments/remote/child_process.h"
#include "experiments/remote/frame.h"
#include "experiments/remote/last_words.h"
#include "experiments/remote/open_questions.h"
#include "experiments/remote/outbox.h"

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <deque>
#include <map>
#include <mutex>
#include <poll.h>
#include <sys/eventfd.h>
#include <thread>
#include <unistd.h>
#include <utility>

namespace lathe {

namespace {

using Clock = std::chrono::steady_clock;

constexpr int kCrashLimit = 3;
constexpr std::chrono::minutes kCrashWindow{1};
constexpr std::chrono::milliseconds kFarewell{1000};
constexpr std::size_t kReadSize = std::size_t{64} << 10;
/// Reads in a row: a child that never stops talking must not keep its supervisor from stopping.
constexpr int kReadsInARow = 16;

/// How far a run has come, for the event that says it crashed.
struct ActiveRun {
    std::int64_t lastSeq = 0;
    std::chrono::nanoseconds at{};
};

} // namespace

struct RemoteEngine::Impl {
    Impl(Options o, EventSink& s, EngineObserver& w)
        : options(std::move(o)), sink(s), observer(w),
          wake(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {
        thread = std::jthread([this](const std::stop_token& stop) { supervise(stop); });
    }
    ~Impl() {
        thread.request_stop();
        poke();
        thread.join();
    }

    // Any thread.
    void poke() noexcept;
    void start(std::int64_t runId, const Spec& spec);
    void cancel(std::int64_t runId);
    void describe(const std::string& path);
    void setState(EngineState next, const std::string& message);

    // The client's thread.
    void supervise(const std::stop_token& stop);
    std::string serveOneChild(const std::stop_token& stop);
    std::unique_ptr<ChildProcess> launch();
    void pump(ChildProcess& child, FrameParser& parser, const std::stop_token& stop);
    bool readOutput(ChildProcess& child, FrameParser& parser);
    void readError(ChildProcess& child);
    void consume(const Frame& frame);
    void greet(const Json& hello);
    void deliver(Event event);
    void sendQueued();
    void cancelUnsent();
    bool mayRestart();
    void reportCrash(const std::string& why);
    bool takeRestart();
    void waitForRestart(const std::stop_token& stop);
    int pollTimeoutMs(bool stopping) const;

    Options options;
    EventSink& sink;
    EngineObserver& observer;
    FileDescriptor wake;
    Outbox outbox;

    std::mutex mutex;
    std::deque<std::pair<std::int64_t, Spec>> unsent;
    std::deque<std::string> undescribed;
    OpenQuestions questions;
    std::vector<std::int64_t> cancelled; ///< before they were sent
    std::map<std::int64_t, ActiveRun> active;
    bool restartAsked = false;

    std::atomic<EngineState> state{EngineState::Starting};
    std::atomic<int> pid{0};

    LastWords lastWords;
    std::deque<Clock::time_point> crashes;
    Clock::time_point deadline{}; ///< of the Hello, or of the farewell
    std::string refusal;
    std::int64_t unknownFrames = 0;
    std::jthread thread; ///< last: starts when all else stands
};

void RemoteEngine::Impl::poke() noexcept {
    const std::uint64_t one = 1;
    // A full counter means that it is awake already.
    [[maybe_unused]] const ssize_t count = ::write(wake.get(), &one, sizeof one);
}

void RemoteEngine::Impl::setState(EngineState next, const std::string& message) {
    state = next;
    observer.engineStateChanged(next, message);
}

void RemoteEngine::Impl::start(std::int64_t runId, const Spec& spec) {
    {
        const std::lock_guard lock(mutex);
        unsent.emplace_back(runId, spec);
    }
    poke();
}

void RemoteEngine::Impl::cancel(std::int64_t runId) {
    {
        const std::lock_guard lock(mutex);
        const auto waits = [runId](const auto& run) { return run.first == runId; };
        if (std::erase_if(unsent, waits) > 0) {
            cancelled.push_back(runId);
        } else if (active.contains(runId)) {
            outbox.send(encodeFrame(FrameKind::Cancel, Json{{"run", runId}}));
        }
    }
    poke();
}

void RemoteEngine::Impl::describe(const std::string& path) {
    {
        const std::lock_guard lock(mutex);
        undescribed.push_back(path);
    }
    poke();
}

void RemoteEngine::Impl::supervise(const std::stop_token& stop) {
    while (!stop.stop_requested()) {
        std::string why = serveOneChild(stop);
        if (stop.stop_requested()) {
            break;
        }
        if (!refusal.empty()) {
            reportCrash(refusal);
            setState(EngineState::Refused, refusal);
            waitForRestart(stop);
        } else if (!mayRestart()) {
            reportCrash(why);
            setState(EngineState::Stopped, why);
            waitForRestart(stop);
        } else {
            setState(EngineState::Restarting, why);
            reportCrash(why);
        }
    }
    reportCrash("the window was closed");
    setState(EngineState::Stopped, {});
}

std::unique_ptr<ChildProcess> RemoteEngine::Impl::launch() {
    std::vector<std::string> command = options.command;
    if (options.nice != 0) {
        command.insert(command.end(), {"--nice", std::to_string(options.nice)});
    }
    return std::make_unique<ChildProcess>(command, options.environment);
}

/// @return why it ended.
std::string RemoteEngine::Impl::serveOneChild(const std::stop_token& stop) {
    refusal.clear();
    lastWords.clear();
    std::unique_ptr<ChildProcess> child;
    try {
        child = launch();
    } catch (const Error& e) {
        crashes.assign(kCrashLimit, Clock::now()); // trying again would not help
        return e.what();
    }
    pid = child->pid();
    outbox.open(child->input.get());
    deadline = Clock::now() + options.helloTimeout;
    FrameParser parser(true);
    std::string fault;
    try {
        pump(*child, parser, stop);
    } catch (const Error& e) {
        fault = e.what();
    }
    outbox.close();
    child->input.reset();
    if (!fault.empty() || !refusal.empty()) {
        child->kill();
    }
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - Clock::now());
    child->finish(stop.stop_requested() ? std::min(left, kFarewell) : kFarewell);
    readError(*child);
    lastWords.endLine(observer);
    pid = 0;
    std::string why =
        "the engine (process " + std::to_string(child->pid()) + ") " + child->ending();
    why += fault.empty() ? "" : " after a fault: " + fault;
    const std::string words = lastWords.tail();
    return words.empty() ? why : why + "; its last words: " + words;
}

int RemoteEngine::Impl::pollTimeoutMs(bool stopping) const {
    if (!stopping && state == EngineState::Ready) {
        return -1;
    }
    const auto left =
        std::chrono::duration_cast<std::chrono::milliseconds>(deadline - Clock::now()).count();
    return static_cast<int>(std::clamp<std::int64_t>(left + 1, 0, 60000));
}

/// Until the end of the child's output.
void RemoteEngine::Impl::pump(
    ChildProcess& child, FrameParser& parser, const std::stop_token& stop) {
    bool stopping = false;
    for (;;) {
        if (stop.stop_requested() && !stopping) {
            stopping = true;
            outbox.close();
            child.input.reset(); // the child ends by itself when its input does
            deadline = Clock::now() + kFarewell;
        }
        const short writing = !stopping && outbox.pending() ? POLLOUT : 0;
        std::array<pollfd, 4> fds{
            {{child.output.get(), POLLIN, 0},
             {child.error.get(), POLLIN, 0},
             {wake.get(), POLLIN, 0},
             {writing != 0 ? child.input.get() : -1, writing, 0}}};
        ::poll(fds.data(), fds.size(), pollTimeoutMs(stopping));
        if (fds[2].revents != 0) {
            std::uint64_t count = 0;
            [[maybe_unused]] const ssize_t got = ::read(wake.get(), &count, sizeof count);
        }
        cancelUnsent();
        if (takeRestart()) {
            child.kill(); // its end is then read like any other
        }
        if (fds[1].revents != 0) {
            readError(child);
        }
        if (fds[3].revents != 0) {
            outbox.flush();
        }
        if (fds[0].revents != 0 && !readOutput(child, parser)) {
            return;
        }
        if (!refusal.empty()) {
            return;
        }
        if (state == EngineState::Ready && !stopping) {
            sendQueued();
        } else if (Clock::now() >= deadline) {
            if (stopping) {
                child.kill();
                return;
            }
            throw FormatError(
                "it did not say hello within " + std::to_string(options.helloTimeout.count()) +
                " ms");
        }
    }
}

/// @return false at the end of the output.
bool RemoteEngine::Impl::readOutput(ChildProcess& child, FrameParser& parser) {
    std::array<std::byte, kReadSize> buffer;
    for (int i = 0; i < kReadsInARow; ++i) {
        const ssize_t count = ::read(child.output.get(), buffer.data(), buffer.size());
        if (count > 0) {
            parser.feed(std::span(buffer.data(), static_cast<std::size_t>(count)));
            while (auto frame = parser.next()) {
                consume(*frame);
            }
            if (static_cast<std::size_t>(count) < buffer.size()) {
                return true;
            }
        } else if (count == 0) {
            return false;
        } else if (errno != EINTR) {
            return errno == EAGAIN || errno == EWOULDBLOCK;
        }
    }
    return true;
}

void RemoteEngine::Impl::readError(ChildProcess& child) {
    std::array<char, 8192> buffer;
    for (int i = 0; i < kReadsInARow && child.error; ++i) {
        const ssize_t count = ::read(child.error.get(), buffer.data(), buffer.size());
        if (count > 0) {
            lastWords.add(
                std::string_view(buffer.data(), static_cast<std::size_t>(count)), observer);
        } else if (count == 0) {
            child.error.reset(); // a negative descriptor is passed over by poll
        } else if (errno != EINTR) {
            return;
        }
    }
}

void RemoteEngine::Impl::consume(const Frame& frame) {
    const auto json = [&frame] {
        const std::string_view text(
            reinterpret_cast<const char*>(frame.payload.data()), frame.payload.size());
        return parseJson(text, "frame of the engine");
    };
    if (!refusal.empty()) {
        return;
    }
    if (state != EngineState::Ready && frame.kind != static_cast<std::uint8_t>(FrameKind::Hello)) {
        throw FormatError("its first frame is no hello");
    }
    switch (static_cast<FrameKind>(frame.kind)) {
    case FrameKind::Hello:
        greet(json());
        break;
    case FrameKind::Event:
        if (auto event = decodeEvent(frame.payload)) {
            deliver(std::move(*event));
        } else {
            ++unknownFrames;
        }
        break;
    case FrameKind::Described:
        observer.modelDescribed(modelInfoFromJson(json()));
        break;
    case FrameKind::Answer:
        if (Json answer = json(); questions.close(wholeNumber<std::int64_t>(answer, "question"))) {
            observer.questionAnswered(std::move(answer));
        }
        break;
    case FrameKind::Pong:
        break;
    default:
        ++unknownFrames;
        break;
    }
}

void RemoteEngine::Impl::greet(const Json& hello) {
    const auto version = hello.is_object() ? hello.find("protocol") : hello.end();
    if (version == hello.end() || !version->is_number_integer()) {
        throw FormatError("its hello names no protocol");
    }
    if (*version != kProtocol) {
        refusal = "the engine speaks protocol " + dumpJson(*version) + " (build " +
                  hello.value("build", "unknown") + "), this program speaks protocol " +
                  std::to_string(kProtocol) + "; install both from the same version";
        return;
    }
    const EngineInfo info = engineInfoFromJson(hello);
    setState(EngineState::Ready, info.device);
    observer.engineReady(info);
}

void RemoteEngine::Impl::deliver(Event event) {
    {
        const std::lock_guard lock(mutex);
        const auto run = active.find(event.runId);
        if (run == active.end()) {
            return; // of a run that has ended here already
        }
        run->second = {event.seq, event.at};
        const auto* change = std::get_if<RunChanged>(&event.payload);
        if (change != nullptr && isFinal(change->state)) {
            active.erase(run);
        }
    }
    sink.post(std::move(event));
}

void RemoteEngine::Impl::sendQueued() {
    std::vector<Event> refused;
    {
        const std::lock_guard lock(mutex);
        for (const auto& [id, spec] : unsent) {
            try {
                outbox.send(
                    encodeFrame(FrameKind::Submit, Json{{"run", id}, {"spec", toJson(spec)}}));
                active.emplace(id, ActiveRun{});
            } catch (const Error& e) { // larger than a frame: sent again it would fail again
                refused.push_back({id, -1, 1, {}, RunChanged{RunState::Failed, e.what()}});
            }
        }
        unsent.clear();
    }
    for (Event& event : refused) {
        sink.post(std::move(event));
    }
    const std::lock_guard lock(mutex);
    for (const std::string& path : undescribed) {
        outbox.send(encodeFrame(FrameKind::Describe, Json{{"path", path}}));
    }
    undescribed.clear();
    questions.sendTo(outbox);
}

void RemoteEngine::Impl::cancelUnsent() {
    std::vector<std::int64_t> ids;
    {
        const std::lock_guard lock(mutex);
        ids.swap(cancelled);
    }
    for (const std::int64_t id : ids) {
        sink.post(Event{
            id, -1, 1, {}, RunChanged{RunState::Cancelled, "cancelled before the engine had it"}});
    }
}

bool RemoteEngine::Impl::mayRestart() {
    const auto now = Clock::now();
    crashes.push_back(now);
    while (!crashes.empty() && now - crashes.front() > kCrashWindow) {
        crashes.pop_front();
    }
    return crashes.size() < kCrashLimit;
}

void RemoteEngine::Impl::reportCrash(const std::string& why) {
    std::map<std::int64_t, ActiveRun> lost;
    {
        const std::lock_guard lock(mutex);
        lost.swap(active);
    }
    for (const std::int64_t id : questions.closeAll()) {
        observer.questionAnswered({{"question", id}, {"error", why}});
    }
    for (const auto& [id, run] : lost) {
        sink.post(Event{id, -1, run.lastSeq + 1, run.at, RunChanged{RunState::Crashed, why}});
    }
}

void RemoteEngine::Impl::waitForRestart(const std::stop_token& stop) {
    while (!stop.stop_requested()) {
        pollfd fd{wake.get(), POLLIN, 0};
        ::poll(&fd, 1, -1);
        std::uint64_t count = 0;
        [[maybe_unused]] const ssize_t got = ::read(wake.get(), &count, sizeof count);
        cancelUnsent();
        if (takeRestart()) {
            setState(EngineState::Restarting, "starting again as asked");
            return;
        }
    }
}

bool RemoteEngine::Impl::takeRestart() {
    const std::lock_guard lock(mutex);
    const bool asked = std::exchange(restartAsked, false);
    if (asked) {
        crashes.clear();
    }
    return asked;
}

RemoteEngine::RemoteEngine(Options options, EventSink& sink, EngineObserver& observer)
    : m_impl(std::make_unique<Impl>(std::move(options), sink, observer)) {}

RemoteEngine::~RemoteEngine() = default;

void RemoteEngine::start(std::int64_t runId, const Spec& spec) { m_impl->start(runId, spec); }

void RemoteEngine::cancel(std::int64_t runId) noexcept { m_impl->cancel(runId); }

void RemoteEngine::describeModel(const std::string& path) { m_impl->describe(path); }

void RemoteEngine::ask(Json question) {
    m_impl->questions.add(std::move(question));
    m_impl->poke();
}

void RemoteEngine::restart() {
    {
        const std::lock_guard lock(m_impl->mutex);
        m_impl->restartAsked = true;
    }
    m_impl->poke();
}

int RemoteEngine::childPid() const noexcept { return m_impl->pid; }

EngineState RemoteEngine::state() const noexcept { return m_impl->state; }

} // namespace lathe
