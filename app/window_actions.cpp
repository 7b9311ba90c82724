// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/diagnostics_dialog.h"
#include "app/inspector_dock.h"
#include "app/jobs_dock.h"
#include "app/keys_dialog.h"
#include "app/log_dock.h"
#include "app/main_window.h"
#include "app/settings_dialog.h"
#include "app/status_chips.h"
#include "widgets/base/plot_view.h"

#include <QAction>
#include <QActionGroup>
#include <QApplication>
#include <QDialog>
#include <QFileDialog>
#include <QFileInfo>
#include <QMenu>
#include <QMenuBar>
#include <QMessageBox>
#include <QStackedWidget>
#include <QStatusBar>
#include <QToolBar>
#include <QToolButton>

#include <algorithm>
#include <utility>

/// Menus, tool bar and dialogs of the main window.
namespace lathe {

namespace {

constexpr int kMessageMs = 8000;
constexpr int kAboutIcon = 64;
constexpr int kRecentWidth = 420; ///< pixels of a path in the menu
constexpr double kScaleStep = 0.1;

QString plainText(const QString& text) { return QString(text).remove(QLatin1Char('&')); }

/// Beside the window, which stays usable behind it.
void showDialog(QDialog* dialog) {
    dialog->setAttribute(Qt::WA_DeleteOnClose);
    dialog->open();
}

} // namespace

QAction* MainWindow::addOwnAction(
    const QString& text, const QString& icon, const QKeySequence& keys,
    const std::function<void()>& handler) {
    auto* action = new QAction(text, this);
    if (!icon.isEmpty()) {
        action->setIcon(Theme::icon(icon));
    }
    action->setShortcut(keys);
    if (!keys.isEmpty()) {
        const QString plain = plainText(text).remove(QStringLiteral("…"));
        action->setToolTip(
            QStringLiteral("%1 (%2)").arg(plain, keys.toString(QKeySequence::NativeText)));
    }
    connect(action, &QAction::triggered, this, [handler] { handler(); });
    addAction(action); // the shortcut works wherever the focus is
    return action;
}

void MainWindow::makeActions() {
    m_switcher = new QToolBar(tr("Panels"), this);
    m_switcher->setObjectName(QStringLiteral("switcher"));
    m_switcher->setMovable(false);
    m_switcher->setToolButtonStyle(Qt::ToolButtonTextUnderIcon);
    m_switcher->setContextMenuPolicy(Qt::PreventContextMenu);
    addToolBar(Qt::LeftToolBarArea, m_switcher);
    m_panelActions = new QActionGroup(this);

    m_tools = new QToolBar(tr("Tools"), this);
    m_tools->setObjectName(QStringLiteral("tools"));
    m_tools->setMovable(false);
    m_tools->setToolButtonStyle(Qt::ToolButtonTextBesideIcon);
    m_tools->setContextMenuPolicy(Qt::PreventContextMenu);
    addToolBar(Qt::TopToolBarArea, m_tools);

    makeFileMenu();
    makeViewMenu();
    makeRunMenu();
    makeHelpMenu();
    for (QAction* action : m_tools->actions()) {
        if (auto* button = qobject_cast<QToolButton*>(m_tools->widgetForAction(action))) {
            button->setAccessibleName(plainText(action->text()));
            button->setFocusPolicy(Qt::TabFocus);
        }
    }
}

void MainWindow::makeFileMenu() {
    QMenu* menu = menuBar()->addMenu(tr("&File"));
    QAction* open =
        addOwnAction(tr("&Open model folder…"), QStringLiteral("open"), QKeySequence::Open, [this] {
            openModel(true);
        });
    menu->addAction(open);
    menu->addAction(addOwnAction(
        tr("Open &GGUF file…"), {}, QKeySequence(Qt::CTRL | Qt::SHIFT | Qt::Key_O),
        [this] { openModel(false); }));
    QMenu* recent = menu->addMenu(tr("&Recent models"));
    connect(recent, &QMenu::aboutToShow, this, [this, recent] { fillRecent(recent); });
    menu->addSeparator();
    menu->addAction(addOwnAction(
        tr("&Export plot…"), QStringLiteral("export"), QKeySequence(Qt::CTRL | Qt::Key_E),
        [this] { exportFocusedPlot(); }));
    menu->addSeparator();
    menu->addAction(
        addOwnAction(tr("&Quit"), {}, QKeySequence(Qt::CTRL | Qt::Key_Q), [this] { close(); }));

    QMenu* edit = menuBar()->addMenu(tr("&Edit"));
    edit->addAction(addOwnAction(
        tr("&Settings…"), QStringLiteral("settings"), QKeySequence(Qt::CTRL | Qt::Key_Comma),
        [this] { showDialog(new SettingsDialog(m_settings, this)); }));
}

void MainWindow::makeViewMenu() {
    m_viewMenu = menuBar()->addMenu(tr("&View"));
    m_panelsEnd = m_viewMenu->addSeparator(); // panels come before it
    const auto toggle = [this](QDockWidget* dock, const QString& icon, const QKeySequence& keys) {
        QAction* action =
            addOwnAction(dock->windowTitle(), icon, keys, [this, dock] { toggleDock(dock); });
        action->setCheckable(true);
        connect(dock, &QDockWidget::visibilityChanged, action, &QAction::setChecked);
        m_viewMenu->addAction(action);
        m_dockActions.push_back(action);
    };
    toggle(m_jobsDock, QStringLiteral("jobs"), QKeySequence(Qt::CTRL | Qt::Key_J));
    toggle(m_logDock, QStringLiteral("log"), QKeySequence(Qt::CTRL | Qt::Key_L));
    toggle(m_inspector, QStringLiteral("inspector"), QKeySequence(Qt::CTRL | Qt::Key_I));
    m_viewMenu->addSeparator();
    const auto scale = [this](double step) {
        m_settings.change([step](Preferences& p) {
            p.fontScale = std::clamp(
                p.fontScale + step, Preferences::kMinFontScale, Preferences::kMaxFontScale);
        });
    };
    m_viewMenu->addAction(
        addOwnAction(tr("&Larger text"), {}, QKeySequence::ZoomIn, [scale] { scale(kScaleStep); }));
    m_viewMenu->addAction(addOwnAction(
        tr("&Smaller text"), {}, QKeySequence::ZoomOut, [scale] { scale(-kScaleStep); }));
    m_viewMenu->addAction(
        addOwnAction(tr("&Normal text size"), {}, QKeySequence(Qt::CTRL | Qt::Key_0), [this] {
            m_settings.change([](Preferences& p) { p.fontScale = 1.0; });
        }));
    makeThemeMenu();
    m_viewMenu->addSeparator();
    m_viewMenu->addAction(
        addOwnAction(tr("Next &region"), {}, QKeySequence(Qt::Key_F6), [this] { nextRegion(1); }));
    m_viewMenu->addAction(
        addOwnAction(tr("&Previous region"), {}, QKeySequence(Qt::SHIFT | Qt::Key_F6), [this] {
            nextRegion(-1);
        }));
    m_viewMenu->addAction(addOwnAction(tr("R&eset layout"), {}, {}, [this] { resetLayout(); }));
}

void MainWindow::makeThemeMenu() {
    QMenu* menu = m_viewMenu->addMenu(tr("&Theme"));
    auto* group = new QActionGroup(menu);
    for (const auto& [choice, text] :
         {std::pair(Theme::Choice::System, tr("Like the &desktop")),
          std::pair(Theme::Choice::Light, tr("&Light")),
          std::pair(Theme::Choice::Dark, tr("Dar&k"))}) {
        QAction* action = menu->addAction(text);
        action->setCheckable(true);
        action->setData(static_cast<int>(choice));
        group->addAction(action);
    }
    connect(menu, &QMenu::aboutToShow, this, [this, group] {
        for (QAction* action : group->actions()) {
            action->setChecked(action->data().toInt() == static_cast<int>(m_settings.get().theme));
        }
    });
    connect(group, &QActionGroup::triggered, this, [this](const QAction* action) {
        const auto choice = static_cast<Theme::Choice>(action->data().toInt());
        m_settings.change([choice](Preferences& p) { p.theme = choice; });
    });
}

void MainWindow::makeRunMenu() {
    QMenu* menu = menuBar()->addMenu(tr("&Run"));
    m_run =
        addOwnAction(tr("&Run"), QStringLiteral("run"), QKeySequence(Qt::CTRL | Qt::Key_R), [this] {
            if (Panel* panel = currentPanel()) {
                panel->triggerRun();
            }
        });
    m_run->setEnabled(false);
    m_stop = addOwnAction(
        tr("&Stop"), QStringLiteral("stop"), QKeySequence(Qt::CTRL | Qt::Key_Period), [this] {
            if (const qint64 job = m_workbench.jobs().stoppableId(); job != 0) {
                m_workbench.cancel(job);
            }
        });
    m_stop->setEnabled(false);
    menu->addAction(m_run);
    menu->addAction(m_stop);
    menu->addAction(addOwnAction(
        tr("Cancel &all"), QStringLiteral("cancel"), {}, [this] { m_workbench.cancelAll(); }));
    m_tools->addAction(m_run);
    m_tools->addAction(m_stop);
    auto* space = new QWidget(m_tools);
    space->setSizePolicy(QSizePolicy::Expanding, QSizePolicy::Preferred);
    m_tools->addWidget(space);
    for (QAction* action : m_dockActions) {
        m_tools->addAction(action);
    }
}

void MainWindow::makeHelpMenu() {
    QMenu* tools = menuBar()->addMenu(tr("&Tools"));
    tools->addAction(addOwnAction(tr("Restart &engine"), QStringLiteral("refresh"), {}, [this] {
        m_workbench.restartEngine();
    }));
    tools->addAction(addOwnAction(
        tr("&Diagnostics…"), QStringLiteral("device"), {}, [this] { showDiagnostics(); }));
    QMenu* help = menuBar()->addMenu(tr("&Help"));
    help->addAction(
        addOwnAction(tr("&Keys…"), QStringLiteral("info"), QKeySequence(Qt::Key_F1), [this] {
            showDialog(new KeysDialog(actions(), this));
        }));
    help->addAction(addOwnAction(tr("&About Lathe…"), {}, {}, [this] { showAbout(); }));
}

void MainWindow::addPanelAction(int index) {
    const PanelInfo info = m_panels[static_cast<std::size_t>(index)]->info();
    const QString icon = info.icon.section(QLatin1Char('/'), -1).section(QLatin1Char('.'), 0, 0);
    QAction* action = addOwnAction(
        info.title, icon, QKeySequence(Qt::CTRL | static_cast<Qt::Key>(Qt::Key_1 + index)),
        [this, index] { showPanel(index); });
    action->setCheckable(true);
    m_panelActions->addAction(action);
    m_switcher->addAction(action);
    m_viewMenu->insertAction(m_panelsEnd, action);
    if (QWidget* button = m_switcher->widgetForAction(action)) {
        button->setAccessibleName(info.title);
        button->setFocusPolicy(Qt::TabFocus);
        button->setMinimumWidth(96);
    }
}

void MainWindow::openModel(bool folder) {
    auto* dialog = new QFileDialog(this);
    dialog->setWindowTitle(folder ? tr("Open a model folder") : tr("Open a GGUF file"));
    dialog->setFileMode(folder ? QFileDialog::Directory : QFileDialog::ExistingFile);
    if (!folder) {
        dialog->setNameFilters({tr("GGUF models (*.gguf)"), tr("All files (*)")});
    }
    connect(dialog, &QFileDialog::fileSelected, &m_workbench, &Workbench::openModelForUse);
    showDialog(dialog);
}

/// Shown on top, or away: a dock behind another one's tab comes to the front first.
void MainWindow::toggleDock(QDockWidget* dock) {
    if (dock->isHidden() || dock->visibleRegion().isEmpty()) {
        dock->show();
        dock->raise();
    } else {
        dock->hide();
    }
}

void MainWindow::useModel(const QString& path) {
    if (currentPanel() != nullptr && currentPanel()->useModel(path)) {
        return;
    }
    for (std::size_t i = 0; i < m_panels.size(); ++i) {
        if (m_panels[i]->useModel(path)) {
            showPanel(static_cast<int>(i));
            return;
        }
    }
}

void MainWindow::fillRecent(QMenu* menu) {
    menu->clear();
    const QStringList& paths = m_settings.get().recentModels;
    for (const QString& path : paths) {
        QAction* action = menu->addAction(
            fontMetrics().elidedText(path, Qt::ElideMiddle, kRecentWidth),
            [this, path] { m_workbench.openModelForUse(path); });
        action->setToolTip(path);
        if (!QFileInfo::exists(path)) {
            action->setEnabled(false);
            action->setText(tr("%1 (is gone)").arg(action->text()));
        }
    }
    if (paths.isEmpty()) {
        menu->addAction(tr("None opened yet"))->setEnabled(false);
        return;
    }
    menu->addSeparator();
    menu->addAction(tr("&Clear"), [this] {
        m_settings.change([](Preferences& p) { p.recentModels.clear(); });
    });
}

void MainWindow::showDiagnostics() { showDialog(new DiagnosticsDialog(m_workbench, this)); }

void MainWindow::exportFocusedPlot() {
    PlotView* plot = nullptr;
    for (QWidget* w = QApplication::focusWidget(); w != nullptr && plot == nullptr;
         w = w->parentWidget()) {
        plot = qobject_cast<PlotView*>(w);
    }
    if (plot == nullptr && currentPanel() != nullptr) {
        for (PlotView* candidate : currentPanel()->findChildren<PlotView*>()) {
            if (candidate->isVisible()) {
                plot = candidate;
                break;
            }
        }
    }
    if (plot != nullptr) {
        plot->exportInteractively();
    } else {
        statusBar()->showMessage(tr("There is no plot on this page"), kMessageMs);
    }
}

/// Gives the focus to the region's own choice, else to the first widget in the order of Tab that
/// takes it.
bool MainWindow::focusFirstIn(QWidget& region) {
    if (QWidget* own = region.focusProxy();
        own != nullptr && own->isVisible() && own->isEnabled() && region.isAncestorOf(own)) {
        own->setFocus(Qt::TabFocusReason);
        return true;
    }
    for (QWidget* widget = region.nextInFocusChain(); widget != &region;
         widget = widget->nextInFocusChain()) {
        if (!region.isAncestorOf(widget) || (widget->focusPolicy() & Qt::TabFocus) == 0 ||
            !widget->isVisible() || !widget->isEnabled()) {
            continue;
        }
        widget->setFocus(Qt::TabFocusReason);
        if (region.isAncestorOf(QApplication::focusWidget())) {
            return true; // a proxy may have refused it
        }
    }
    return false;
}

void MainWindow::nextRegion(int step) {
    std::vector<QWidget*> regions{m_switcher, m_pages};
    for (QDockWidget* dock :
         {static_cast<QDockWidget*>(m_jobsDock), static_cast<QDockWidget*>(m_logDock),
          static_cast<QDockWidget*>(m_inspector)}) {
        if (dock->isVisible()) {
            regions.push_back(dock);
        }
    }
    regions.push_back(m_chips);
    const int count = static_cast<int>(regions.size());
    int present = 0;
    for (int i = 0; i < count; ++i) {
        if (regions[static_cast<std::size_t>(i)]->isAncestorOf(QApplication::focusWidget())) {
            present = i;
        }
    }
    for (int i = 1; i < count; ++i) {
        const int next = (present + step * i + count * i) % count;
        if (focusFirstIn(*regions[static_cast<std::size_t>(next)])) {
            return;
        }
    }
}

void MainWindow::showAbout() {
    auto* box = new QMessageBox(
        QMessageBox::NoIcon, tr("About Lathe"),
        tr("<h3>Lathe %1</h3><p>A research workbench for efficient deep-learning inference.</p>"
           "<p>The window is free software under the GNU General Public License, version 3 or "
           "later; "
           "the engine is under the Apache License 2.0.</p>")
            .arg(QApplication::applicationVersion()),
        QMessageBox::Close, this);
    box->setIconPixmap(windowIcon().pixmap(kAboutIcon));
    showDialog(box);
}

} // namespace lathe
