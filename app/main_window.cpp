// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/main_window.h"

#include "app/inspector_dock.h"
#include "app/jobs_dock.h"
#include "app/log_dock.h"
#include "app/status_chips.h"
#include "engine/core/error.h"
#include "widgets/base/plot_save_dialog.h"
#include "widgets/base/resume.h"
#include "widgets/base/state_view.h"

#include <QAction>
#include <QActionGroup>
#include <QApplication>
#include <QCloseEvent>
#include <QFileInfo>
#include <QMenu>
#include <QMessageBox>
#include <QMimeData>
#include <QPushButton>
#include <QScreen>
#include <QStackedWidget>
#include <QStatusBar>
#include <QToolBar>
#include <QToolButton>
#include <QUrl>
#include <QVBoxLayout>

namespace lathe {

namespace {

constexpr int kLayoutDelayMs = 500; ///< and Settings writes half a second to a second later
constexpr int kPanelStateMs = 2000;
constexpr QSize kDefaultSize{1440, 900}; ///< less on small screens
constexpr QSize kMinimumSize{880, 560};
constexpr int kMessageMs = 8000;

QSize defaultSize() {
    const QScreen* screen = QGuiApplication::primaryScreen();
    return screen == nullptr ? kDefaultSize
                             : kDefaultSize.boundedTo(screen->availableSize() * 0.95);
}

} // namespace

MainWindow::MainWindow(Workbench& workbench, Settings& settings, Theme& theme, bool restoreLayout)
    : m_workbench(workbench), m_settings(settings), m_theme(theme), m_restoreLayout(restoreLayout) {
    setObjectName(QStringLiteral("main"));
    setWindowTitle(tr("Lathe"));
    setMinimumSize(kMinimumSize);
    resize(defaultSize());
    setDockNestingEnabled(true);
    setAcceptDrops(true);
    makeCentre();
    makeDocks();
    makeActions();
    connectWorkbench();
    applyPreferences();
    m_defaultState = saveState(kLayoutVersion);
    if (m_restoreLayout && !m_settings.get().windowState.isEmpty()) {
        restoreGeometry(m_settings.get().geometry);
        if (!restoreState(m_settings.get().windowState, kLayoutVersion)) {
            m_workbench.log().add(
                LogLevel::Warning, tr("window"),
                tr("The stored layout could not be used; the default one is shown"));
        }
    }
    m_layoutTimer.setSingleShot(true);
    m_layoutTimer.setInterval(kLayoutDelayMs);
    connect(&m_layoutTimer, &QTimer::timeout, this, &MainWindow::saveLayout);
    m_panelTimer.setInterval(kPanelStateMs);
    connect(&m_panelTimer, &QTimer::timeout, this, &MainWindow::savePanels);
    for (QDockWidget* dock : findChildren<QDockWidget*>()) {
        connect(dock, &QDockWidget::visibilityChanged, &m_layoutTimer, qOverload<>(&QTimer::start));
        connect(
            dock, &QDockWidget::dockLocationChanged, &m_layoutTimer, qOverload<>(&QTimer::start));
    }
}

MainWindow::~MainWindow() = default;

void MainWindow::makeCentre() {
    auto* centre = new QWidget(this);
    auto* column = new QVBoxLayout(centre);
    column->setContentsMargins(0, 0, 0, 0);
    column->setSpacing(0);
    m_banner = new Banner(centre);
    m_pages = new QStackedWidget(centre);
    m_opening = new StateView(m_pages);
    m_opening->show(StateView::Kind::Loading, tr("Opening the run store…"));
    m_pages->addWidget(m_opening);
    column->addWidget(m_banner);
    column->addWidget(m_pages, 1);
    setCentralWidget(centre);
    m_chips = new StatusChips(m_workbench, this);
    statusBar()->addPermanentWidget(m_chips);
    statusBar()->setSizeGripEnabled(false);
}

void MainWindow::makeDocks() {
    setCorner(Qt::BottomRightCorner, Qt::RightDockWidgetArea);
    m_jobsDock = new JobsDock(m_workbench.jobs(), this);
    m_logDock = new LogDock(m_workbench.log(), this);
    m_inspector = new InspectorDock(m_workbench, this);
    addDockWidget(Qt::BottomDockWidgetArea, m_jobsDock);
    addDockWidget(Qt::BottomDockWidgetArea, m_logDock);
    tabifyDockWidget(m_jobsDock, m_logDock);
    addDockWidget(Qt::RightDockWidgetArea, m_inspector);
    for (QDockWidget* dock :
         {static_cast<QDockWidget*>(m_jobsDock), static_cast<QDockWidget*>(m_logDock),
          static_cast<QDockWidget*>(m_inspector)}) {
        dock->hide();
    }
    connect(m_jobsDock, &JobsDock::cancelRequested, &m_workbench, &Workbench::cancel);
    connect(m_jobsDock, &JobsDock::cancelAllRequested, &m_workbench, &Workbench::cancelAll);
    connect(m_jobsDock, &JobsDock::openRequested, &m_workbench, &Workbench::showRun);
    connect(m_chips, &StatusChips::jobsClicked, this, [this] { toggleDock(m_jobsDock); });
    connect(m_chips, &StatusChips::logClicked, this, [this] { toggleDock(m_logDock); });
    connect(m_chips, &StatusChips::diagnosticsClicked, this, &MainWindow::showDiagnostics);
}

void MainWindow::connectWorkbench() {
    connect(&m_workbench, &Workbench::storeOpened, this, &MainWindow::onStoreOpened);
    connect(&m_workbench, &Workbench::storeFailed, this, &MainWindow::onStoreFailed);
    connect(&m_workbench, &PanelContext::engineChanged, this, &MainWindow::onEngineChanged);
    connect(&m_workbench, &Workbench::eventsReady, this, &MainWindow::onEvents);
    connect(&m_workbench, &Workbench::showRunRequested, this, &MainWindow::showRun);
    connect(&m_workbench, &Workbench::editSpecRequested, this, &MainWindow::editSpec);
    connect(&m_workbench, &Workbench::useModelRequested, this, &MainWindow::useModel);
    connect(&m_workbench, &Workbench::demonstrationStarted, this, &MainWindow::sayDemonstration);
    connect(&m_workbench, &Workbench::messageShown, this, [this](const QString& text) {
        statusBar()->showMessage(text, kMessageMs);
    });
    connect(&m_workbench, &PanelContext::currentRunChanged, this, [this](qint64 runId) {
        if (m_workbench.isOpen()) {
            m_inspector->showRun(runId);
        }
    });
    connect(&m_workbench.jobs(), &JobList::activeChanged, this, [this] {
        m_stop->setEnabled(m_workbench.jobs().activeCount() > 0);
    });
    connect(&m_settings, &Settings::changed, this, &MainWindow::applyPreferences);
    connect(&PlotSaveMemory::instance(), &PlotSaveMemory::changed, this, [this] {
        m_settings.change(
            [](Preferences& p) { p.plotExport = PlotSaveMemory::instance().toJson(); });
    });
}

void MainWindow::onStoreOpened() {
    m_startPanel = m_restoreLayout ? m_settings.get().currentPanel : QString();
    m_run->setEnabled(true);
    sayInterrupted();
    makeNextPanel();
}

/// One panel per turn of the event loop: all at once would hold up the window's first pictures.
void MainWindow::makeNextPanel() {
    const std::span<const PanelMaker> makers = panelMakers();
    const std::size_t at = m_panels.size();
    Panel* panel = makers[at](m_workbench).release();
    m_panels.push_back(panel);
    m_pages->addWidget(panel); // takes ownership
    connect(panel, &Panel::busyChanged, this, &MainWindow::onBusyChanged);
    addPanelAction(static_cast<int>(at));
    const QString id = panel->info().id;
    if (m_restoreLayout) {
        panel->restoreState(m_settings.get().panels.value(id).toObject());
    }
    // Styling and laying out what is shown for the first time takes a turn of its own.
    QTimer::singleShot(0, this, [this, at, shown = at == 0 || id == m_startPanel] {
        if (shown) {
            showPanel(static_cast<int>(at));
        }
        if (m_panels.size() < panelMakers().size()) {
            QTimer::singleShot(0, this, &MainWindow::makeNextPanel);
            return;
        }
        m_panelTimer.start();
        emit panelsMade();
    });
}

void MainWindow::onStoreFailed(const QString& why) {
    m_opening->show(
        StateView::Kind::Error, tr("The run store could not be opened, so nothing can be run."),
        tr("Try again"), why);
    connect(
        m_opening, &StateView::primaryClicked, this,
        [this] {
            m_opening->show(StateView::Kind::Loading, tr("Opening the run store…"));
            m_workbench.openStore();
        },
        Qt::SingleShotConnection);
}

void MainWindow::onEngineChanged() {
    const QString id = QStringLiteral("engine");
    switch (m_workbench.engineState()) {
    case EngineState::Refused:
    case EngineState::Stopped:
        m_banner->post(
            {.id = id,
             .kind = Banner::Kind::Error,
             .text = m_workbench.engineMessage().isEmpty()
                         ? tr("The engine does not run.")
                         : tr("The engine does not run: %1")
                               .arg(m_workbench.engineMessage().section(QLatin1Char('\n'), 0, 0)),
             .buttons = {
                 {tr("Restart engine"), [this] { m_workbench.restartEngine(); }},
                 {tr("Show log"), [this] { showLog(); }}}});
        break;
    case EngineState::Ready:
        m_banner->withdraw(id);
        break;
    case EngineState::Restarting:
        if (!m_workbench.restartAsked()) {
            sayCrashed(0);
        }
        break;
    case EngineState::Starting:
        break;
    }
}

void MainWindow::onEvents(std::span<const Event> events) {
    for (Panel* panel : m_panels) {
        panel->onEvents(events);
    }
    for (const Event& event : events) {
        const auto* run = std::get_if<RunChanged>(&event.payload);
        if (run != nullptr && run->state == RunState::Crashed) {
            if (m_workbench.endedByRestart(event.runId)) {
                statusBar()->showMessage(
                    tr("Run %1 ended with the engine; what it had is stored").arg(event.runId),
                    kMessageMs);
            } else {
                sayCrashed(event.runId);
            }
        }
        if (run != nullptr && isFinal(run->state) && event.runId == m_demonstration) {
            m_banner->withdraw(QStringLiteral("demo"));
        }
    }
}

void MainWindow::sayCrashed(qint64 runId) {
    Banner::Message message{
        .id = QStringLiteral("crash"),
        .kind = Banner::Kind::Warning,
        .text = tr("The engine ended unexpectedly. A new one starts by itself.")};
    if (runId != 0) {
        message.text = tr("The engine ended unexpectedly. Run %1 is stored as crashed, with every "
                          "result it had; a new engine starts by itself.")
                           .arg(runId);
        message.buttons.push_back({tr("Show run"), [this, runId] { m_workbench.showRun(runId); }});
    }
    message.buttons.push_back({tr("Show log"), [this] { showLog(); }});
    m_banner->post(std::move(message));
}

void MainWindow::sayInterrupted() {
    const std::vector<RunRow>& runs = m_workbench.interruptedRuns();
    if (runs.empty()) {
        return;
    }
    const qint64 newest = runs.front().id;
    m_banner->post(
        {.id = QStringLiteral("interrupted"),
         .kind = Banner::Kind::Warning,
         .text =
             runs.size() == 1
                 ? tr("Run %1 had not ended when the program did last time. It is stored as "
                      "interrupted, with every result it had.")
                       .arg(newest)
                 : tr("%1 runs had not ended when the program did last time. They are stored as "
                      "interrupted, with every result they had.")
                       .arg(runs.size()),
         .buttons =
             {{tr("View"),
               [this, newest] {
                   m_workbench.dismissInterrupted();
                   m_workbench.showRun(newest);
               }},
              {runs.size() == 1 ? tr("Resume") : tr("Resume all"), [this] { resumeInterrupted(); }},
              {tr("Dismiss"), [this] { m_workbench.dismissInterrupted(); }}},
         .dismissed = [this] { m_workbench.dismissInterrupted(); }});
}

void MainWindow::resumeInterrupted() {
    const std::vector<RunRow> runs = m_workbench.interruptedRuns();
    m_workbench.dismissInterrupted();
    qint64 newest = 0;
    for (auto row = runs.rbegin(); row != runs.rend(); ++row) { // the oldest goes first
        if (!canResume(*row)) {
            continue; // not a sweep: nothing to go on with
        }
        try {
            const Spec spec = resumedSpec(m_workbench.reader(), *row);
            newest = m_workbench.submit(spec, QString::fromStdString(row->title));
        } catch (const Error& e) {
            statusBar()->showMessage(QString::fromUtf8(e.what()), kMessageMs);
        }
    }
    if (newest != 0) {
        m_workbench.showRun(newest);
    } else {
        statusBar()->showMessage(
            tr("No sweep was among them; start it again from Runs"), kMessageMs);
    }
}

void MainWindow::sayDemonstration(qint64 runId) {
    m_demonstration = runId;
    m_banner->post(
        {.id = QStringLiteral("demo"),
         .kind = Banner::Kind::Info,
         .text = tr("A first sweep of a bundled model runs, this once, to show what is here. Your "
                    "own run takes its place."),
         .buttons = {{tr("Stop it"), [this, runId] { m_workbench.cancel(runId); }}}});
}

void MainWindow::showLog() {
    m_logDock->show();
    m_logDock->raise();
}

Panel* MainWindow::currentPanel() const { return qobject_cast<Panel*>(m_pages->currentWidget()); }

void MainWindow::showPanel(int index) {
    if (index < 0 || index >= static_cast<int>(m_panels.size())) {
        return;
    }
    Panel* panel = m_panels[static_cast<std::size_t>(index)];
    m_pages->setCurrentWidget(panel);
    m_panelActions->actions().at(index)->setChecked(true);
    if (!panel->isAncestorOf(QApplication::focusWidget())) {
        focusFirstIn(*panel); // its keys work at once
    }
    if (m_restoreLayout) {
        m_settings.change([id = panel->info().id](Preferences& p) { p.currentPanel = id; });
    }
}

void MainWindow::showRun(qint64 runId) {
    for (std::size_t i = 0; i < m_panels.size(); ++i) {
        if (m_panels[i]->showRun(runId)) {
            showPanel(static_cast<int>(i));
            return;
        }
    }
}

void MainWindow::editSpec(const Spec& spec) {
    for (std::size_t i = 0; i < m_panels.size(); ++i) {
        if (m_panels[i]->editSpec(spec)) {
            showPanel(static_cast<int>(i));
            return;
        }
    }
    statusBar()->showMessage(
        tr("No panel edits %1; copy it as a command line instead")
            .arg(QString::fromStdString(spec.study)),
        kMessageMs);
}

void MainWindow::onBusyChanged() {
    for (std::size_t i = 0; i < m_panels.size(); ++i) {
        const PanelInfo info = m_panels[i]->info();
        const bool busy = m_panels[i]->busy();
        QAction* action = m_panelActions->actions().at(static_cast<int>(i));
        action->setIconText(busy ? tr("%1 •").arg(info.title) : info.title);
        action->setToolTip(busy ? tr("%1 (a run is active)").arg(info.title) : info.title);
    }
}

void MainWindow::applyPreferences() {
    const Preferences& p = m_settings.get();
    if (m_theme.choice() != p.theme) {
        m_theme.setChoice(p.theme);
    }
    m_theme.setFontScale(p.fontScale);
    PlotSaveMemory::instance().restore(p.plotExport);
}

void MainWindow::resetLayout() {
    restoreState(m_defaultState, kLayoutVersion);
    resize(defaultSize());
}

void MainWindow::saveLayout() {
    if (!m_restoreLayout) {
        return;
    }
    m_settings.change([this](Preferences& p) {
        p.geometry = saveGeometry();
        p.windowState = saveState(kLayoutVersion);
    });
}

void MainWindow::savePanels() {
    if (!m_restoreLayout) {
        return;
    }
    QJsonObject states = m_settings.get().panels;
    for (const Panel* panel : m_panels) {
        states.insert(panel->info().id, panel->saveState());
    }
    if (states != m_settings.get().panels) {
        m_settings.change([&states](Preferences& p) { p.panels = states; });
    }
}

void MainWindow::closeUnasked() {
    m_mayCancel = true;
    close();
}

void MainWindow::askToClose() {
    auto* box = new QMessageBox(
        QMessageBox::Question, tr("Quit Lathe?"),
        m_workbench.jobs().activeCount() == 1
            ? tr("A run is not finished. Quitting cancels it; finished cells are kept, and a sweep "
                 "can go on later.")
            : tr("%1 runs are not finished. Quitting cancels them; finished cells are kept, and a "
                 "sweep can go on later.")
                  .arg(m_workbench.jobs().activeCount()),
        QMessageBox::NoButton, this);
    box->setAttribute(Qt::WA_DeleteOnClose);
    QPushButton* quit = box->addButton(tr("Cancel runs and quit"), QMessageBox::AcceptRole);
    box->setDefaultButton(box->addButton(tr("Stay"), QMessageBox::RejectRole));
    connect(quit, &QPushButton::clicked, this, &MainWindow::closeUnasked);
    box->open();
}

void MainWindow::closeEvent(QCloseEvent* event) {
    if (!m_mayCancel && m_workbench.jobs().activeCount() > 0) {
        event->ignore();
        askToClose();
        return;
    }
    saveLayout();
    savePanels();
    m_settings.saveNow();
    event->accept();
}

namespace {

/// The model that is dragged here: one folder or GGUF file; empty when it is something else.
QString draggedModel(const QMimeData* mime) {
    const QList<QUrl> urls = mime->urls();
    if (urls.size() != 1 || !urls.constFirst().isLocalFile()) {
        return {};
    }
    const QFileInfo file(urls.constFirst().toLocalFile());
    const bool model =
        file.isDir() || file.suffix().compare(QStringLiteral("gguf"), Qt::CaseInsensitive) == 0;
    return model ? file.absoluteFilePath() : QString();
}

} // namespace

void MainWindow::dragEnterEvent(QDragEnterEvent* event) {
    const QString path = draggedModel(event->mimeData());
    if (!path.isEmpty()) {
        event->acceptProposedAction();
        statusBar()->showMessage(tr("Drop to open the model %1").arg(path), kMessageMs);
    }
}

void MainWindow::dropEvent(QDropEvent* event) {
    const QString path = draggedModel(event->mimeData());
    if (!path.isEmpty()) {
        event->acceptProposedAction();
        m_workbench.openModelForUse(path);
    }
}

void MainWindow::resizeEvent(QResizeEvent* event) {
    QMainWindow::resizeEvent(event);
    m_layoutTimer.start();
}

void MainWindow::moveEvent(QMoveEvent* event) {
    QMainWindow::moveEvent(event);
    m_layoutTimer.start();
}

} // namespace lathe
