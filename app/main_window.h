// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "app/banner.h"
#include "app/workbench.h"

#include <QMainWindow>
#include <QTimer>

#include <memory>
#include <vector>

class QAction;
class QActionGroup;
class QDockWidget;
class QStackedWidget;

namespace lathe {

class InspectorDock;
class JobsDock;
class LogDock;
class StateView;
class StatusChips;

/// Frame of the program: menus, panel switcher, docks, banner and status bar. It knows Panel and
/// nothing else of what a panel shows.
class MainWindow : public QMainWindow {
    Q_OBJECT
public:
    static constexpr int kLayoutVersion = 1;

    /// With `restoreLayout` false stored layout and panel states are left alone (--safe-mode,
    /// --fresh).
    MainWindow(Workbench& workbench, Settings& settings, Theme& theme, bool restoreLayout);
    ~MainWindow() override;

    const std::vector<Panel*>& panels() const { return m_panels; }
    Panel* currentPanel() const;
    void showPanel(int index);
    Banner& banner() { return *m_banner; }
    /// Closes without asking whether runs may be cancelled.
    void closeUnasked();

signals:
    void panelsMade();

private:
    void makeCentre();
    void makeDocks();
    void makeActions();
    void makeFileMenu();
    void makeViewMenu();
    void makeThemeMenu();
    void makeRunMenu();
    void makeHelpMenu();
    void makeNextPanel();
    void addPanelAction(int index);
    void connectWorkbench();
    QAction* addOwnAction(
        const QString& text, const QString& icon, const QKeySequence& keys,
        const std::function<void()>& handler);

    void onStoreOpened();
    void onStoreFailed(const QString& why);
    void onEngineChanged();
    void onEvents(std::span<const Event> events);
    void onBusyChanged();
    void sayCrashed(qint64 runId);
    void sayInterrupted();
    void resumeInterrupted();
    void sayDemonstration(qint64 runId);
    void showLog();
    void showRun(qint64 runId);
    void editSpec(const Spec& spec);
    void useModel(const QString& path);
    void toggleDock(QDockWidget* dock);
    void applyPreferences();
    void openModel(bool folder);
    void fillRecent(QMenu* menu);
    void exportFocusedPlot();
    void showDiagnostics();
    void showAbout();
    void nextRegion(int step);
    static bool focusFirstIn(QWidget& region);
    void resetLayout();
    void saveLayout();
    void savePanels();

    void askToClose();
    void closeEvent(QCloseEvent* event) override;
    void dragEnterEvent(QDragEnterEvent* event) override;
    void dropEvent(QDropEvent* event) override;
    void resizeEvent(QResizeEvent* event) override;
    void moveEvent(QMoveEvent* event) override;

    Workbench& m_workbench;
    Settings& m_settings;
    Theme& m_theme;
    bool m_restoreLayout;
    bool m_mayCancel = false;
    qint64 m_demonstration = 0;
    std::vector<Panel*> m_panels;
    Banner* m_banner = nullptr;
    QStackedWidget* m_pages = nullptr;
    StateView* m_opening = nullptr;
    QToolBar* m_switcher = nullptr;
    QToolBar* m_tools = nullptr;
    QActionGroup* m_panelActions = nullptr;
    QMenu* m_viewMenu = nullptr;
    QAction* m_panelsEnd = nullptr;
    QString m_startPanel; ///< id of the panel that was current last time
    std::vector<QAction*> m_dockActions;
    QAction* m_run = nullptr;
    QAction* m_stop = nullptr;
    JobsDock* m_jobsDock = nullptr;
    LogDock* m_logDock = nullptr;
    InspectorDock* m_inspector = nullptr;
    StatusChips* m_chips = nullptr;
    QByteArray m_defaultState;
    QTimer m_layoutTimer, m_panelTimer;
};

} // namespace lathe
