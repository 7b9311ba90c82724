// SPDX-License-Identifier: Apache-2.0
#include "experiments/remote/server.h"

#include "engine/core/json_number.h"
#include "experiments/cli/standard_output.h"
#include "experiments/model_cache.h"
#include "experiments/remote/frame_writer.h"
#include "experiments/runner.h"
#include "experiments/what_if_desk.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>
#include <deque>
#include <mutex>
#include <optional>
#include <sys/resource.h>
#include <thread>
#include <unistd.h>
#include <utility>

namespace lathe {

namespace {

constexpr std::size_t kReadSize = std::size_t{64} << 10;
constexpr std::size_t kMaxQuestions = 64;
constexpr unsigned kFarewellSeconds = 1;
constexpr int kDamagedInput = 3;

/// Answers what a model file or folder is. On a thread of its own: reading a header from a slow
/// disk must not hold up a cancel.
class Describer {
public:
    explicit Describer(FrameWriter& out) : m_out(out) {
        m_thread = std::jthread([this](const std::stop_token& stop) { work(stop); });
    }

    void ask(std::string path) {
        {
            const std::lock_guard lock(m_mutex);
            if (m_questions.size() == kMaxQuestions) {
                m_questions.pop_front(); // the oldest question is the least interesting one
            }
            m_questions.push_back(std::move(path));
        }
        m_changed.notify_all();
    }

private:
    void work(const std::stop_token& stop) {
        for (;;) {
            std::string path;
            {
                std::unique_lock lock(m_mutex);
                if (!m_changed.wait(lock, stop, [this] { return !m_questions.empty(); })) {
                    return;
                }
                path = std::move(m_questions.front());
                m_questions.pop_front();
            }
            ModelInfo info;
            try {
                info = describeModel(resolveModel(path));
            } catch (const std::exception& e) {
                info.path = path;
                info.problem = e.what();
            }
            info.name = path; // under the name that was asked for, so that the asker knows it
            m_out.send(encodeFrame(FrameKind::Described, toJson(info)));
        }
    }

    FrameWriter& m_out;
    std::mutex m_mutex;
    std::condition_variable_any m_changed;
    std::deque<std::string> m_questions;
    std::jthread m_thread;
};

/// Answers what a decoded text would be under other thresholds, between the runs: a run that begins
/// meanwhile goes first, and the question is taken up again behind it.
class WhatIfAnswers {
public:
    WhatIfAnswers(FrameWriter& out, Runner& runner) : m_out(out), m_runner(runner) {
        m_thread = std::jthread([this](const std::stop_token& stop) { work(stop); });
    }
    ~WhatIfAnswers() {
        m_thread.request_stop();
        giveWay();
    }

    /// Only the latest question is of interest: one that waits is answered by an error.
    void ask(Json question) {
        std::optional<Json> late;
        {
            const std::lock_guard lock(m_mutex);
            late = std::exchange(m_question, std::move(question));
        }
        if (late) {
            refuse(*late, "another question came after this one");
        }
        m_changed.notify_all();
    }
    /// A run is about to begin.
    void giveWay() {
        const std::lock_guard lock(m_mutex);
        m_present.request_stop();
    }

private:
    void work(const std::stop_token& stop) {
        for (;;) {
            std::unique_lock lock(m_mutex);
            if (!m_changed.wait(lock, stop, [this] { return m_question.has_value(); })) {
                return;
            }
            lock.unlock();
            if (!m_runner.waitIdle(stop)) {
                return;
            }
            lock.lock();
            const Json question = std::move(*m_question);
            m_question.reset();
            m_present = std::stop_source();
            const std::stop_token present = m_present.get_token();
            lock.unlock();
            if (!m_runner.betweenRuns(
                    [&](ModelCache& models) { answer(question, models, present); })) {
                putBack(question);
            }
        }
    }

    void answer(const Json& question, ModelCache& models, const std::stop_token& present) {
        try {
            const Json result = m_desk.answer(question, models, present);
            send({{"question", question.at("question")}, {"result", result}});
        } catch (const Cancelled&) {
            putBack(question);
        } catch (const std::exception& e) {
            refuse(question, e.what());
        }
    }

    void putBack(const Json& question) {
        const std::lock_guard lock(m_mutex);
        if (!m_question) {
            m_question = question;
        } else {
            refuse(question, "another question came after this one");
        }
    }

    void refuse(const Json& question, const std::string& why) {
        send({{"question", question.at("question")}, {"error", why}});
    }
    void send(const Json& answer) { m_out.send(encodeFrame(FrameKind::Answer, answer)); }

    FrameWriter& m_out;
    Runner& m_runner;
    WhatIfDesk m_desk;
    std::mutex m_mutex;
    std::condition_variable_any m_changed;
    std::optional<Json> m_question;
    std::stop_source m_present; ///< of the answer under way
    std::jthread m_thread;
};

class Server {
public:
    explicit Server(int out)
        : m_out(out), m_runner(m_out), m_describer(m_out), m_whatIf(m_out, m_runner) {
        m_out.send(encodeFrame(FrameKind::Hello, hello()));
    }

    /// Reads until the end of input.
    int listen();

private:
    static Json hello() {
        EngineInfo info = describeEngine();
        info.protocol = kProtocol;
        info.questions = {kWhatIfQuestion};
        return toJson(info);
    }
    void obey(const Frame& frame);
    void submit(const Json& request);
    void ask(Json question);

    FrameWriter m_out;
    Runner m_runner;
    Describer m_describer;
    WhatIfAnswers m_whatIf;
};

int Server::listen() {
    FrameParser parser(false);
    std::array<std::byte, kReadSize> buffer;
    try {
        for (;;) {
            const ssize_t count = ::read(STDIN_FILENO, buffer.data(), buffer.size());
            if (count < 0 && errno == EINTR) {
                continue;
            }
            if (count <= 0) {
                return 0;
            }
            parser.feed(std::span(buffer.data(), static_cast<std::size_t>(count)));
            while (auto frame = parser.next()) {
                obey(*frame);
            }
        }
    } catch (const Error& e) {
        std::fprintf(stderr, "lathe-run serve: the window's messages are damaged: %s\n", e.what());
        return kDamagedInput;
    }
}

void Server::obey(const Frame& frame) {
    const auto json = [&frame] {
        std::string text(frame.payload.size(), '\0');
        std::transform(frame.payload.begin(), frame.payload.end(), text.begin(), [](std::byte b) {
            return static_cast<char>(b);
        });
        return parseJson(text, "message of the window");
    };
    try {
        switch (static_cast<FrameKind>(frame.kind)) {
        case FrameKind::Submit:
            submit(json());
            break;
        case FrameKind::Cancel:
            m_runner.cancel(wholeNumber<std::int64_t>(json(), "run"));
            break;
        case FrameKind::Describe:
            m_describer.ask(json().at("path").get<std::string>());
            break;
        case FrameKind::Ask:
            ask(json());
            break;
        case FrameKind::Ping:
            m_out.send(encodeFrame(FrameKind::Pong, std::span(frame.payload)));
            break;
        default:
            break; // of a newer window
        }
    } catch (const Json::exception& e) {
        throw FormatError(std::string("message of the window: ") + e.what());
    }
}

void Server::ask(Json question) {
    const auto id = wholeNumber<std::int64_t>(question, "question");
    const auto about = question.at("about").get<std::string>();
    if (about == kWhatIfQuestion) {
        m_whatIf.ask(std::move(question));
        return;
    }
    m_out.send(encodeFrame(
        FrameKind::Answer,
        Json{{"question", id}, {"error", "this engine cannot answer about " + about}}));
}

void Server::submit(const Json& request) {
    const auto id = wholeNumber<std::int64_t>(request, "run");
    try {
        m_runner.start(id, specFromJson(request.at("spec")));
        m_whatIf.giveWay();
    } catch (const Error& e) {
        const std::vector<std::byte> event =
            encodeEvent({id, -1, 1, {}, RunChanged{RunState::Failed, e.what()}});
        m_out.send(encodeFrame(FrameKind::Event, std::span(event)));
    }
}

} // namespace

int serve(int nice) {
    if (nice != 0 && setpriority(PRIO_PROCESS, 0, nice) != 0) {
        std::perror("lathe-run serve: cannot lower the priority");
    }
    const int out = takeStandardOutput();
    Server server(out);
    const int status = server.listen();
    // The window is gone: whatever does not stop in time is ended by the alarm's default action.
    ::alarm(kFarewellSeconds);
    return status;
}

} // namespace lathe
