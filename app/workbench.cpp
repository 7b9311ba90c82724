// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/workbench.h"

#include "engine/core/error.h"

#include <QFile>
#include <QFileInfo>
#include <QLocale>

#include <algorithm>

namespace lathe {

namespace {

constexpr int kRunsDelayMs = 300; ///< changes of the store are told to tables at most so often
constexpr int kSecondMs = 1000;
constexpr int kMaxInterrupted = 50;

RemoteEngine::Options engineOptions(const QStringList& command, int nice) {
    RemoteEngine::Options options;
    for (const QString& part : command) {
        options.command.push_back(part.toStdString());
    }
    options.nice = nice;
    return options;
}

} // namespace

struct Workbench::OpenedStore {
    std::unique_ptr<RunWriter> writer;
    std::unique_ptr<RunReader> reader;
    std::vector<RunRow> interrupted;
    QString problem;
};

void Workbench::Relay::post(Event event) noexcept {
    if (EventSink* sink = target.load()) {
        sink->post(std::move(event));
    }
}

Workbench::Workbench(Options options, Settings& settings, QObject* parent)
    : PanelContext(parent), m_options(std::move(options)), m_settings(settings),
      m_logFile(m_options.logFile) {
    connect(&m_log, &QAbstractItemModel::rowsInserted, this, [this](const QModelIndex&, int row) {
        m_logFile.add(m_log.lineText(row));
    });
    connect(&m_watch, &EngineWatch::stateChanged, this, &Workbench::onEngineState);
    connect(&m_watch, &EngineWatch::described, this, &Workbench::onDescribed);
    connect(&m_watch, &EngineWatch::answered, this, [this](const Json& answer) {
        emit answered(answer.at("question").get<qint64>(), answer);
    });
    connect(&m_watch, &EngineWatch::said, this, [this](const QString& line) {
        m_log.add(LogLevel::Info, tr("engine"), line);
    });
    connect(&m_watch, &EngineWatch::ready, this, [this](const EngineInfo& info) {
        m_info = std::make_unique<EngineInfo>(info);
        m_log.add(
            LogLevel::Info, tr("engine"),
            tr("Ready: %1 on %2")
                .arg(QString::fromStdString(info.build), QString::fromStdString(info.device)));
        for (const QString& path : m_settings.get().recentModels) {
            m_engine->describeModel(path.toStdString());
        }
        emit engineChanged();
        emit modelsChanged();
    });
    connect(&m_bridge, &EventBridge::eventsReady, this, &Workbench::onEvents);
    connect(&m_settings, &Settings::saveFailed, this, [this](const QString& why) {
        m_log.add(LogLevel::Error, tr("settings"), why);
        showMessage(why);
    });
    m_engine = std::make_unique<RemoteEngine>(
        engineOptions(m_options.engineCommand, m_settings.get().engineNice), m_relay, m_watch);
    m_state = m_engine->state();
    for (const QString& problem : m_settings.problems()) {
        m_log.add(LogLevel::Warning, tr("settings"), problem);
    }
    m_runsTimer.setSingleShot(true);
    m_runsTimer.setInterval(kRunsDelayMs);
    connect(&m_runsTimer, &QTimer::timeout, this, &PanelContext::runsChanged);
    m_secondTimer.setInterval(kSecondMs);
    connect(&m_secondTimer, &QTimer::timeout, this, &Workbench::checkStore);
}

Workbench::~Workbench() {
    m_opener = {};
    if (m_queue) {
        m_queue->cancelAll();
    }
    m_engine.reset();
    m_relay.target = nullptr;
    m_queue.reset();
    m_writer.reset();
}

void Workbench::openStore() {
    // Opening may migrate or recover a large file: the window is there meanwhile.
    m_opener = std::jthread([this, path = m_options.storePath] {
        auto opened = std::make_shared<OpenedStore>();
        try {
            if (path.has_parent_path()) {
                std::filesystem::create_directories(path.parent_path());
            }
            opened->writer = std::make_unique<RunWriter>(path, std::vector<EventSink*>{&m_bridge});
            opened->reader = std::make_unique<RunReader>(path);
            opened->interrupted =
                opened->reader->runs({.text = "state:interrupted", .limit = kMaxInterrupted});
        } catch (const Error& e) {
            opened->problem = QString::fromUtf8(e.what());
        } catch (const std::filesystem::filesystem_error& e) {
            opened->problem = QString::fromUtf8(e.what());
        }
        QMetaObject::invokeMethod(
            this, [this, opened] { takeStore(opened); }, Qt::QueuedConnection);
    });
}

void Workbench::takeStore(std::shared_ptr<OpenedStore> opened) {
    if (!opened->problem.isEmpty()) {
        m_log.add(LogLevel::Error, tr("store"), opened->problem);
        emit storeFailed(opened->problem);
        return;
    }
    m_writer = std::move(opened->writer);
    m_reader = std::move(opened->reader);
    m_interrupted = std::move(opened->interrupted);
    m_queue = std::make_unique<RunQueue>(*m_writer);
    m_queue->setService(*m_engine);
    m_relay.target = m_queue.get();
    m_dataVersion = m_reader->dataVersion();
    findInterrupted();
    measureStore();
    checkStore();
    m_secondTimer.start();
    emit storeOpened();
    startDemonstration();
}

void Workbench::findInterrupted() {
    const qint64 seen = m_settings.get().seenInterrupted;
    std::erase_if(m_interrupted, [seen](const RunRow& row) { return row.id <= seen; });
}

void Workbench::dismissInterrupted() {
    qint64 newest = m_settings.get().seenInterrupted;
    for (const RunRow& row : m_interrupted) {
        newest = std::max(newest, static_cast<qint64>(row.id));
    }
    m_interrupted.clear();
    m_settings.change([newest](Preferences& p) { p.seenInterrupted = newest; });
}

void Workbench::startDemonstration() {
    if (m_settings.get().firstStartDone || m_options.safeMode ||
        m_options.firstStartSpec.isEmpty()) {
        return;
    }
    QFile file(m_options.firstStartSpec);
    if (!file.open(QIODevice::ReadOnly)) {
        m_log.add(LogLevel::Warning, tr("first start"), file.errorString());
        return;
    }
    try {
        const Spec spec = specFromJson(
            parseJson(file.readAll().toStdString(), m_options.firstStartSpec.toStdString()));
        const QString title = tr("First sweep");
        m_demonstration = m_queue->submit(spec, title.toStdString());
        m_writer->setTags(m_demonstration, "demo");
        m_jobs.add(m_demonstration, spec, title);
        m_settings.change([](Preferences& p) { p.firstStartDone = true; });
        m_settings.saveNow();
        showRun(m_demonstration);
        emit demonstrationStarted(m_demonstration);
    } catch (const Error& e) {
        m_log.add(LogLevel::Warning, tr("first start"), QString::fromUtf8(e.what()));
    }
}

void Workbench::yieldDemonstration() {
    if (m_demonstration != 0 && m_jobs.isActive(m_demonstration)) {
        noteCancel(m_demonstration);
        m_queue->cancel(m_demonstration);
        showMessage(tr("The first sweep made way for your run; start it again from Runs"));
    }
    m_demonstration = 0;
}

qint64 Workbench::submit(const Spec& spec, const QString& title) {
    if (!m_queue) {
        showMessage(tr("The run store is not open; nothing can be started"));
        return 0;
    }
    yieldDemonstration();
    try {
        const qint64 id = m_queue->submit(spec, title.toStdString());
        m_jobs.add(id, spec, title);
        m_runsTimer.start();
        if (m_state == EngineState::Stopped || m_state == EngineState::Refused) {
            showMessage(tr("Run %1 waits: the engine does not run").arg(id));
        }
        return id;
    } catch (const Error& e) {
        const QString why = QString::fromUtf8(e.what());
        m_log.add(LogLevel::Error, tr("store"), why);
        showMessage(tr("The run could not be stored: %1").arg(why));
        return 0;
    }
}

void Workbench::noteCancel(qint64 runId) {
    m_jobs.cancelAsked(runId);
    emit cancelAsked(runId);
}

void Workbench::cancel(qint64 runId) {
    noteCancel(runId);
    if (m_queue) {
        m_queue->cancel(runId);
    }
}

void Workbench::cancelAll() {
    for (int row = 0; row < m_jobs.rowCount(); ++row) {
        noteCancel(m_jobs.index(row, 0).data(JobList::RunIdRole).toLongLong());
    }
    if (m_queue) {
        m_queue->cancelAll();
    }
}

void Workbench::onEvents(std::span<const Event> events) {
    m_jobs.onEvents(events);
    bool runs = false;
    for (const Event& event : events) {
        if (const auto* line = std::get_if<LogLine>(&event.payload)) {
            m_log.add(
                line->level, tr("run %1").arg(event.runId), QString::fromStdString(line->text));
        } else if (const auto* run = std::get_if<RunChanged>(&event.payload)) {
            runs = true;
            if (!run->message.empty() && isFinal(run->state)) {
                m_log.add(
                    run->state == RunState::Done || run->state == RunState::Cancelled
                        ? LogLevel::Info
                        : LogLevel::Error,
                    tr("run %1").arg(event.runId), QString::fromStdString(run->message));
            }
        }
        runs = runs || std::holds_alternative<CellChanged>(event.payload);
    }
    if (runs && !m_runsTimer.isActive()) {
        m_runsTimer.start();
    }
    emit eventsReady(events);
}

void Workbench::onEngineState(EngineState state, const QString& message) {
    m_state = state;
    m_stateMessage = message;
    if (state == EngineState::Ready) {
        m_restartAsked = false;
    }
    if (!message.isEmpty()) {
        const bool bad = state != EngineState::Ready && state != EngineState::Starting;
        m_log.add(bad ? LogLevel::Error : LogLevel::Info, tr("engine"), message);
    }
    emit engineChanged();
}

void Workbench::onDescribed(const ModelInfo& info) {
    std::erase_if(m_opened, [&info](const ModelInfo& other) { return other.name == info.name; });
    m_opened.push_back(info);
    if (!info.problem.empty()) {
        const QString why = QString::fromStdString(info.problem);
        m_log.add(LogLevel::Warning, tr("model"), why);
        showMessage(why);
    }
    emit modelsChanged();
}

void Workbench::checkStore() {
    m_jobs.tick();
    try {
        const qint64 version = m_reader->dataVersion();
        if (version != m_dataVersion) { // this program's writer or another program's
            m_dataVersion = version;
            measureStore();
            if (!m_runsTimer.isActive()) {
                m_runsTimer.start();
            }
        }
    } catch (const Error& e) {
        m_log.add(LogLevel::Error, tr("store"), QString::fromUtf8(e.what()));
    }
    emit storeChecked();
}

/// What was written last is in the log beside the file until it is folded in.
void Workbench::measureStore() {
    m_storeBytes =
        QFileInfo(storePath()).size() + QFileInfo(storePath() + QStringLiteral("-wal")).size();
}

QString Workbench::storeProblem() const {
    return m_writer ? QString::fromStdString(m_writer->problem()) : QString();
}

int Workbench::enginePid() const { return m_engine ? m_engine->childPid() : 0; }

void Workbench::restartEngine() {
    m_restartAsked = true;
    m_restartedRun = m_queue ? m_queue->active().value_or(-1) : -1;
    m_engine->restart();
}

const EngineInfo* Workbench::engine() const { return m_info.get(); }

const StudyInfo* Workbench::study(const std::string& id) const {
    if (!m_info) {
        return nullptr;
    }
    const auto it = std::ranges::find(m_info->studies, id, &StudyInfo::id);
    return it == m_info->studies.end() ? nullptr : &*it;
}

std::vector<ModelInfo> Workbench::models() const {
    std::vector<ModelInfo> all = m_info ? m_info->models : std::vector<ModelInfo>{};
    for (const ModelInfo& own : m_opened) {
        const bool listed = std::ranges::any_of(
            all, [&own](const ModelInfo& other) { return other.name == own.name; });
        if (!listed) {
            all.push_back(own);
        }
    }
    return all;
}

void Workbench::openModel(const QString& path) {
    m_settings.change([&path](Preferences& p) {
        p.recentModels.removeAll(path);
        p.recentModels.prepend(path);
        p.recentModels = p.recentModels.mid(0, Preferences::kMaxRecent);
    });
    m_engine->describeModel(path.toStdString());
}

qint64 Workbench::ask(const std::string& about, Json question) {
    if (m_info == nullptr ||
        std::ranges::find(m_info->questions, about) == m_info->questions.end()) {
        return 0;
    }
    question["question"] = ++m_questions;
    question["about"] = about;
    m_engine->ask(std::move(question));
    return m_questions;
}

void Workbench::openModelForUse(const QString& path) {
    openModel(path);
    showMessage(tr("Opened %1").arg(path));
    emit useModelRequested(path);
}

RunReader& Workbench::reader() {
    if (!m_reader) {
        throw InternalError("the run store was asked for before it was open");
    }
    return *m_reader;
}

QString Workbench::storePath() const {
    return QString::fromStdString(m_options.storePath.string());
}

void Workbench::showRun(qint64 runId) {
    emit showRunRequested(runId);
    emit currentRunChanged(runId);
}

void Workbench::editSpec(const Spec& spec) { emit editSpecRequested(spec); }

void Workbench::setTags(qint64 runId, const QString& tags) {
    if (m_writer) {
        m_writer->setTags(runId, tags.toStdString());
        m_runsTimer.start();
    }
}

void Workbench::setNotes(qint64 runId, const QString& notes) {
    if (m_writer) {
        m_writer->setNotes(runId, notes.toStdString());
        m_runsTimer.start();
    }
}

void Workbench::showMessage(const QString& text) { emit messageShown(text); }

} // namespace lathe
