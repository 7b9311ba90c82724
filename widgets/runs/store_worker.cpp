// SPDX-License-Identifier: GPL-3.0-or-later
#include "widgets/runs/store_worker.h"

#include "engine/core/error.h"

#include <QPointer>

#include <condition_variable>
#include <deque>
#include <mutex>
#include <optional>
#include <thread>

namespace lathe {

class StoreWorker::Thread {
public:
    struct Entry {
        QPointer<QObject> receiver;
        Question question;
        Failure failed;
    };

    Thread(std::filesystem::path store, StoreWorker& owner)
        : m_store(std::move(store)), m_owner(owner),
          m_thread([this](std::stop_token stop) { work(std::move(stop)); }) {}

    void add(Entry entry) {
        {
            const std::scoped_lock lock(m_mutex);
            m_waiting.push_back(std::move(entry));
        }
        m_changed.notify_one();
    }

private:
    void work(std::stop_token stop) {
        while (!stop.stop_requested()) {
            Entry entry;
            {
                std::unique_lock lock(m_mutex);
                if (!m_changed.wait(lock, stop, [this] { return !m_waiting.empty(); })) {
                    return;
                }
                entry = std::move(m_waiting.front());
                m_waiting.pop_front();
            }
            answer(std::move(entry));
        }
    }

    void answer(Entry entry) {
        std::function<void()> result;
        QString problem;
        try {
            if (!m_reader) {
                m_reader.emplace(m_store);
            }
            result = entry.question(*m_reader);
        } catch (const Error& e) {
            problem = QString::fromUtf8(e.what());
        }
        const auto deliver = [receiver = entry.receiver, failed = std::move(entry.failed),
                              result = std::move(result), problem = std::move(problem)] {
            if (receiver.isNull()) {
                return;
            }
            if (problem.isEmpty() && result) {
                result();
            } else if (!problem.isEmpty() && failed) {
                failed(problem);
            }
        };
        QMetaObject::invokeMethod(&m_owner, deliver, Qt::QueuedConnection);
    }

    std::filesystem::path m_store;
    StoreWorker& m_owner;
    std::mutex m_mutex;
    std::condition_variable_any m_changed;
    std::deque<Entry> m_waiting;
    std::optional<RunReader> m_reader; ///< of the thread
    std::jthread m_thread;             ///< last: stops before the rest goes
};

StoreWorker::StoreWorker(std::filesystem::path store, QObject* parent)
    : QObject(parent), m_thread(std::make_unique<Thread>(std::move(store), *this)) {}

StoreWorker::~StoreWorker() = default;

void StoreWorker::ask(QObject* receiver, Question question, Failure failed) {
    m_thread->add({receiver, std::move(question), std::move(failed)});
}

} // namespace lathe
