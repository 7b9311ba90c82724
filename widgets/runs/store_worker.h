// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "experiments/store/run_reader.h"

#include <QObject>
#include <QString>

#include <filesystem>
#include <functional>
#include <memory>

namespace lathe {

/// Reads a store on a thread of its own, with a connection of its own: for everything that is more
/// than a page. Questions are answered one after another.
class StoreWorker : public QObject {
    Q_OBJECT
public:
    /// Runs on the worker's thread; what it returns runs on the GUI thread.
    using Question = std::function<std::function<void()>(RunReader&)>;
    using Failure = std::function<void(const QString& problem)>;

    explicit StoreWorker(std::filesystem::path store, QObject* parent = nullptr);
    ~StoreWorker() override; ///< waits for the running question; waiting ones are dropped

    /// Answer and failure are dropped when `receiver` is gone by then. GUI thread.
    void ask(QObject* receiver, Question question, Failure failed = {});

private:
    class Thread;
    std::unique_ptr<Thread> m_thread;
};

} // namespace lathe
