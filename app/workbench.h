// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "app/engine_watch.h"
#include "app/job_list.h"
#include "app/log_file.h"
#include "app/log_list.h"
#include "app/settings.h"
#include "experiments/store/run_queue.h"
#include "experiments/store/run_reader.h"
#include "experiments/store/run_writer.h"
#include "widgets/base/event_bridge.h"
#include "widgets/base/panel.h"

#include <QTimer>

#include <atomic>
#include <filesystem>
#include <thread>

namespace lathe {

/// The composition root: engine process, queue, writer and reader of the store, and the bridge that
/// brings committed events to the window. The engine is started by the constructor, the store is
/// opened by a thread of its own; `storeOpened` says that panels can be made.
class Workbench : public PanelContext {
    Q_OBJECT
public:
    struct Options {
        std::filesystem::path storePath;
        QStringList engineCommand;
        QString firstStartSpec; ///< file; empty: none
        QString logFile{};      ///< empty: none
        bool safeMode = false;  ///< no demonstration
    };

    Workbench(Options options, Settings& settings, QObject* parent = nullptr);
    /// Cancels what runs, lets the engine end, writes what is queued.
    ~Workbench() override;

    void openStore();
    bool isOpen() const { return m_reader != nullptr; }
    EngineState engineState() const { return m_state; }
    const QString& engineMessage() const { return m_stateMessage; }
    int enginePid() const;
    void restartEngine();
    /// The present restart was asked for: no crash.
    bool restartAsked() const { return m_restartAsked; }
    /// The run was active when the user restarted the engine.
    bool endedByRestart(qint64 runId) const { return runId == m_restartedRun; }
    void cancelAll();
    /// Empty while the store is well.
    QString storeProblem() const;
    qint64 storeBytes() const { return m_storeBytes; }
    JobList& jobs() { return m_jobs; }
    LogList& log() { return m_log; }
    /// Runs that ended with the program and have not been reported yet; newest first.
    const std::vector<RunRow>& interruptedRuns() const { return m_interrupted; }
    void dismissInterrupted();

    qint64 submit(const Spec& spec, const QString& title) override;
    void cancel(qint64 runId) override;
    const EngineInfo* engine() const override;
    const StudyInfo* study(const std::string& id) const override;
    std::vector<ModelInfo> models() const override;
    void openModel(const QString& path) override;
    /// The same from the window's menu: the panel shall choose it too.
    void openModelForUse(const QString& path);
    qint64 ask(const std::string& about, Json question) override;
    RunReader& reader() override;
    QString storePath() const override;
    void showRun(qint64 runId) override;
    void editSpec(const Spec& spec) override;
    void setTags(qint64 runId, const QString& tags) override;
    void setNotes(qint64 runId, const QString& notes) override;
    void showMessage(const QString& text) override;

signals:
    void storeOpened();
    void storeFailed(const QString& why);
    void storeChecked(); ///< problem or size may have changed
    void eventsReady(std::span<const lathe::Event> events);
    void messageShown(const QString& text);
    void demonstrationStarted(qint64 runId);
    void showRunRequested(qint64 runId);
    void editSpecRequested(const lathe::Spec& spec);
    void useModelRequested(const QString& path);

private:
    struct OpenedStore;
    /// The engine starts before the store is open; nothing is sent to it until then.
    class Relay : public EventSink {
    public:
        void post(Event event) noexcept override;
        std::atomic<EventSink*> target{nullptr};
    };
    void takeStore(std::shared_ptr<OpenedStore> opened);
    void findInterrupted();
    void startDemonstration();
    void yieldDemonstration();
    void noteCancel(qint64 runId);
    void measureStore();
    void onEvents(std::span<const Event> events);
    void onEngineState(EngineState state, const QString& message);
    void onDescribed(const ModelInfo& info);
    void checkStore();

    Options m_options;
    Settings& m_settings;
    JobList m_jobs;
    LogFile m_logFile;
    LogList m_log;
    EventBridge m_bridge;
    EngineWatch m_watch;
    Relay m_relay;
    std::unique_ptr<EngineInfo> m_info;
    std::vector<ModelInfo> m_opened; ///< of the user, described by the engine
    EngineState m_state = EngineState::Starting;
    QString m_stateMessage;
    bool m_restartAsked = false;
    qint64 m_restartedRun = -1;
    std::vector<RunRow> m_interrupted;
    qint64 m_demonstration = 0;
    qint64 m_questions = 0; ///< asked so far
    qint64 m_dataVersion = 0;
    qint64 m_storeBytes = 0;
    QTimer m_runsTimer, m_secondTimer;
    std::unique_ptr<RunReader> m_reader;
    std::unique_ptr<RunWriter> m_writer;
    std::unique_ptr<RunQueue> m_queue;
    std::unique_ptr<RemoteEngine> m_engine; ///< after queue and writer: ends before them
    std::jthread m_opener;
};

} // namespace lathe
