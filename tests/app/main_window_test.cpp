// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/main_window.h"

#include "app/banner.h"
#include "experiments/store/database.h"
#include "tests/app/running_window.h"
#include "tests/support/lathe_test.h"
#include "widgets/base/state_view.h"

#include <QAccessible>
#include <QDockWidget>
#include <QFile>
#include <QJsonDocument>
#include <QMessageBox>
#include <QPushButton>
#include <QStackedWidget>
#include <QToolBar>

#include <memory>
#include <set>

namespace lathe {

/// The window around the panels, without an engine.
class MainWindowTest : public QObject {
    Q_OBJECT
private slots:
    void init() { m_folder = std::make_unique<test::TemporaryFolder>(); }
    void opensItsPanels();
    void everyFocusableWidgetHasAName();
    void everyPartHasAnObjectName();
    void keysAreUnique();
    void keysReachPanelsAndDocks();
    void keysBringDocksToTheFront();
    void stopReachesAWaitingRun();
    void anOpenedModelIsChosen();
    void regionsAreReachedByF6();
    void layoutComesBack();
    void garbageLayoutGivesTheDefault();
    void themeAndTextSizeFollowTheSettings();
    void aStoreThatCannotBeOpenedIsTold();
    void anEngineThatCannotStartIsTold();
    void quittingAsksWhileARunIsActive();
    void interruptedRunsAreReportedOnce();

private:
    std::unique_ptr<test::RunningWindow> open(test::RunningWindow::Options options = {}) {
        auto running = std::make_unique<test::RunningWindow>(m_folder->path(), std::move(options));
        return running->waitForPanels() ? std::move(running) : nullptr;
    }
    std::unique_ptr<test::TemporaryFolder> m_folder;
};

void MainWindowTest::opensItsPanels() {
    const auto running = open();
    QVERIFY(running);
    QVERIFY(running->window.panels().size() >= 2);
    QCOMPARE(running->window.currentPanel(), running->window.panels().front());
    for (std::size_t i = 0; i < running->window.panels().size(); ++i) {
        running->window.showPanel(static_cast<int>(i));
        const Panel* panel = running->window.currentPanel();
        QCOMPARE(panel, running->window.panels()[i]);
        QVERIFY(panel->isVisible());
        // Nothing is ever an empty grey page.
        QVERIFY(!panel->findChildren<QWidget*>().isEmpty());
        QVERIFY(!panel->info().title.isEmpty());
    }
    running->window.closeUnasked();
}

void MainWindowTest::everyFocusableWidgetHasAName() {
    const auto running = open();
    QVERIFY(running);
    for (QDockWidget* dock : running->window.findChildren<QDockWidget*>()) {
        dock->show();
    }
    QStringList nameless;
    int checked = 0;
    for (QWidget* widget : running->window.findChildren<QWidget*>()) {
        // What is hidden by itself has nothing to say yet; combo boxes have their lists from Qt.
        const bool internal = widget->objectName().startsWith(QStringLiteral("qt_")) ||
                              widget->focusProxy() != nullptr || widget->isHidden() ||
                              widget->inherits("QComboBoxListView") ||
                              qobject_cast<QStackedWidget*>(widget) != nullptr;
        if ((widget->focusPolicy() & Qt::TabFocus) == 0 || internal) {
            continue;
        }
        ++checked;
        QAccessibleInterface* face = QAccessible::queryAccessibleInterface(widget);
        if (face == nullptr || face->text(QAccessible::Name).isEmpty()) {
            const QWidget* parent = widget->parentWidget();
            nameless << QStringLiteral("%1 '%2' in %3")
                            .arg(
                                QLatin1String(widget->metaObject()->className()),
                                widget->objectName(),
                                QLatin1String(
                                    parent != nullptr ? parent->metaObject()->className() : ""));
        }
    }
    QVERIFY(checked > 30);
    QVERIFY2(nameless.isEmpty(), qPrintable(nameless.join(QLatin1Char('\n'))));
    running->window.closeUnasked();
}

void MainWindowTest::everyPartHasAnObjectName() {
    const auto running = open();
    QVERIFY(running);
    for (const QDockWidget* dock : running->window.findChildren<QDockWidget*>()) {
        QVERIFY2(!dock->objectName().isEmpty(), qPrintable(dock->windowTitle()));
    }
    for (const QToolBar* bar : running->window.findChildren<QToolBar*>()) {
        QVERIFY2(!bar->objectName().isEmpty(), qPrintable(bar->windowTitle()));
    }
    running->window.closeUnasked();
}

void MainWindowTest::keysAreUnique() {
    const auto running = open();
    QVERIFY(running);
    std::set<QString> keys;
    for (const QAction* action : running->window.actions()) {
        for (const QKeySequence& key : action->shortcuts()) {
            QVERIFY2(keys.insert(key.toString()).second, qPrintable(key.toString()));
        }
    }
    for (const char* key :
         {"Ctrl+1", "Ctrl+2", "Ctrl+R", "Ctrl+.", "Ctrl+J", "Ctrl+L", "Ctrl+I", "Ctrl+,", "Ctrl+Q",
          "Ctrl+E", "F1", "F6", "Shift+F6"}) {
        QVERIFY2(keys.contains(QLatin1String(key)), key);
    }
    running->window.closeUnasked();
}

void MainWindowTest::keysReachPanelsAndDocks() {
    const auto running = open();
    QVERIFY(running);
    MainWindow& window = running->window;
    QVERIFY(QTest::qWaitForWindowActive(&window));
    QTest::keyClick(&window, Qt::Key_2, Qt::ControlModifier);
    QCOMPARE(window.currentPanel(), window.panels()[1]);
    QTest::keyClick(&window, Qt::Key_1, Qt::ControlModifier);
    QCOMPARE(window.currentPanel(), window.panels()[0]);
    const std::vector<std::pair<Qt::Key, QString>> docks{
        {Qt::Key_J, QStringLiteral("jobsDock")},
        {Qt::Key_L, QStringLiteral("logDock")},
        {Qt::Key_I, QStringLiteral("inspectorDock")}};
    for (const auto& [key, name] : docks) {
        auto* dock = window.findChild<QDockWidget*>(name);
        const bool before = dock->isVisible();
        QTest::keyClick(&window, key, Qt::ControlModifier);
        QCOMPARE(dock->isVisible(), !before);
    }
    window.closeUnasked();
}

void MainWindowTest::keysBringDocksToTheFront() {
    const auto running = open();
    QVERIFY(running);
    MainWindow& window = running->window;
    QVERIFY(QTest::qWaitForWindowActive(&window));
    auto* jobs = window.findChild<QDockWidget*>(QStringLiteral("jobsDock"));
    auto* log = window.findChild<QDockWidget*>(QStringLiteral("logDock"));
    const auto onTop = [](const QDockWidget* dock) {
        return dock->isVisible() && !dock->visibleRegion().isEmpty();
    };
    QTest::keyClick(&window, Qt::Key_J, Qt::ControlModifier);
    QTRY_VERIFY(onTop(jobs));
    QTest::keyClick(&window, Qt::Key_L, Qt::ControlModifier);
    QTRY_VERIFY(onTop(log) && !onTop(jobs));
    QTest::keyClick(&window, Qt::Key_J, Qt::ControlModifier); // behind: to the front, not away
    QTRY_VERIFY(onTop(jobs) && !onTop(log));
    QTest::keyClick(&window, Qt::Key_J, Qt::ControlModifier);
    QTRY_VERIFY(!jobs->isVisible());
    window.closeUnasked();
}

void MainWindowTest::stopReachesAWaitingRun() {
    const auto running = open(); // its engine never says hello: every run waits
    QVERIFY(running);
    QVERIFY(QTest::qWaitForWindowActive(&running->window));
    const qint64 id = running->workbench.submit(Spec{.study = "quant.sweep"}, {});
    QVERIFY(id > 0);
    QTest::keyClick(&running->window, Qt::Key_Period, Qt::ControlModifier);
    QTRY_VERIFY(!running->workbench.jobs().isActive(id));
    QCOMPARE(running->storedState(id), std::string("cancelled"));
    running->window.closeUnasked();
}

void MainWindowTest::anOpenedModelIsChosen() {
    const auto running = open();
    QVERIFY(running);
    running->window.showPanel(1); // it has no use for a model
    running->workbench.openModelForUse(QStringLiteral("/models/mine"));
    QCOMPARE(running->window.currentPanel(), running->window.panels()[0]);
    const QByteArray state =
        QJsonDocument(running->window.panels()[0]->saveState()).toJson(QJsonDocument::Compact);
    QVERIFY2(state.contains("/models/mine"), state.constData());
    running->window.closeUnasked();
}

void MainWindowTest::regionsAreReachedByF6() {
    const auto running = open();
    QVERIFY(running);
    MainWindow& window = running->window;
    QVERIFY(QTest::qWaitForWindowActive(&window));
    window.showPanel(1); // it can be used without an engine
    std::set<const QWidget*> seen;
    for (int i = 0; i < 8; ++i) {
        QTest::keyClick(&window, Qt::Key_F6);
        QVERIFY(window.focusWidget() != nullptr);
        seen.insert(window.focusWidget());
    }
    QVERIFY2(seen.size() >= 3, "switcher, panel and status bar at least");
    window.closeUnasked();
}

void MainWindowTest::layoutComesBack() {
    {
        const auto running = open();
        QVERIFY(running);
        auto* jobs = running->window.findChild<QDockWidget*>(QStringLiteral("jobsDock"));
        auto* inspector = running->window.findChild<QDockWidget*>(QStringLiteral("inspectorDock"));
        jobs->setVisible(!jobs->isVisible());
        inspector->setVisible(true);
        running->window.showPanel(1);
        running->window.closeUnasked();
    }
    const auto first = open({.restoreLayout = false});
    QVERIFY(first);
    const bool usual =
        first->window.findChild<QDockWidget*>(QStringLiteral("jobsDock"))->isVisible();
    QCOMPARE(first->window.currentPanel(), first->window.panels()[0]);
    first->window.closeUnasked();
    const auto again = open();
    QVERIFY(again);
    QCOMPARE(
        again->window.findChild<QDockWidget*>(QStringLiteral("jobsDock"))->isVisible(), !usual);
    QVERIFY(again->window.findChild<QDockWidget*>(QStringLiteral("inspectorDock"))->isVisible());
    QCOMPARE(again->window.currentPanel(), again->window.panels()[1]);
    again->window.closeUnasked();
}

void MainWindowTest::garbageLayoutGivesTheDefault() {
    {
        Settings settings(QString::fromStdString((m_folder->path() / "lathe.ini").string()));
        settings.change([](Preferences& p) {
            p.windowState = QByteArray(300, '\x5a');
            p.geometry = QByteArray(300, '\x5a');
            p.currentPanel = QStringLiteral("no-such-panel");
            p.panels = {
                {QStringLiteral("quant"), 7}, {QStringLiteral("runs"), QStringLiteral("x")}};
        });
    }
    const auto running = open();
    QVERIFY(running);
    QCOMPARE(running->window.currentPanel(), running->window.panels()[0]);
    bool told = false;
    const LogList& log = running->workbench.log();
    for (int row = 0; row < log.rowCount(); ++row) {
        told = told || log.index(row, LogList::TextColumn).data().toString() ==
                           MainWindow::tr("The stored layout could not be used; the default one "
                                          "is shown");
    }
    QVERIFY(told);
    running->window.closeUnasked();
}

void MainWindowTest::themeAndTextSizeFollowTheSettings() {
    const auto running = open();
    QVERIFY(running);
    const double size = QApplication::font().pointSizeF();
    running->settings.change([](Preferences& p) {
        p.theme = Theme::Choice::Dark;
        p.fontScale = 1.5;
    });
    QVERIFY(Theme::isDark());
    QVERIFY(std::abs(QApplication::font().pointSizeF() - 1.5 * size) < 0.1);
    QVERIFY(std::abs(running->window.menuWidget()->font().pointSizeF() - 1.5 * size) < 0.2);
    running->settings.change([](Preferences& p) {
        p.theme = Theme::Choice::Light;
        p.fontScale = 1.0;
    });
    QVERIFY(!Theme::isDark());
    QVERIFY(std::abs(QApplication::font().pointSizeF() - size) < 0.1);
    running->window.closeUnasked();
}

void MainWindowTest::aStoreThatCannotBeOpenedIsTold() {
    QFile file(QString::fromStdString((m_folder->path() / "runs.db").string()));
    QVERIFY(file.open(QIODevice::WriteOnly));
    file.write(QByteArray(8192, 'x')); // no database
    file.close();
    test::RunningWindow running(m_folder->path(), {});
    auto* state = running.window.centralWidget()->findChild<StateView*>();
    QVERIFY(state != nullptr);
    QTRY_COMPARE(state->kind(), StateView::Kind::Error);
    QVERIFY(running.window.panels().empty());
    QCOMPARE(running.workbench.submit(Spec{.study = "quant.sweep"}, {}), 0);
    QVERIFY(file.remove());
    state->findChild<QPushButton*>()->click(); // "Try again"
    QVERIFY(running.waitForPanels());
    running.window.closeUnasked();
}

void MainWindowTest::anEngineThatCannotStartIsTold() {
    const auto running = open({.engine = {QStringLiteral("/no/such/lathe-run")}});
    QVERIFY(running);
    QTRY_COMPARE(running->window.banner().currentId(), QStringLiteral("engine"));
    QVERIFY(running->window.banner().text().contains(QStringLiteral("/no/such/lathe-run")));
    QCOMPARE(running->workbench.engineState(), EngineState::Stopped);
    bool restart = false;
    for (const QPushButton* button : running->window.banner().findChildren<QPushButton*>()) {
        restart = restart || button->text() == MainWindow::tr("Restart engine");
    }
    QVERIFY(restart);
    running->window.closeUnasked();
}

void MainWindowTest::quittingAsksWhileARunIsActive() {
    const auto running = open();
    QVERIFY(running);
    const qint64 id = running->workbench.submit(Spec{.study = "quant.sweep"}, {});
    QVERIFY(id > 0);
    running->window.close();
    QVERIFY(running->window.isVisible());
    auto* box = running->window.findChild<QMessageBox*>();
    QVERIFY(box != nullptr && box->isVisible());
    QCOMPARE(box->defaultButton()->text(), MainWindow::tr("Stay"));
    box->defaultButton()->click();
    QVERIFY(running->window.isVisible());
    QVERIFY(running->workbench.jobs().isActive(id));
    running->workbench.cancel(id);
    QTRY_VERIFY(!running->workbench.jobs().isActive(id));
    QCOMPARE(running->storedState(id), std::string("cancelled"));
    running->window.close();
    QVERIFY(!running->window.isVisible());
}

void MainWindowTest::interruptedRunsAreReportedOnce() {
    qint64 id = 0;
    {
        RunWriter writer(m_folder->path() / "runs.db", {});
        id = writer.insertRun(Spec{.study = "quant.sweep"}, "left behind");
        writer.post({id, -1, 1, {}, RunChanged{RunState::Running}});
    }
    {
        // As if another process had written it and was gone by now.
        Database db(m_folder->path() / "runs.db", Database::Mode::ReadWrite);
        db.execute("UPDATE run SET pid = 4194304, pid_start = 1");
    }
    auto running = open();
    QVERIFY(running);
    QVERIFY2(
        running->window.banner().currentId() == QStringLiteral("interrupted"),
        qPrintable(running->window.banner().text()));
    QCOMPARE(running->storedState(id), std::string("interrupted"));
    auto* view = running->window.banner().findChild<QPushButton*>();
    QCOMPARE(view->text(), MainWindow::tr("View"));
    view->click();
    QVERIFY(running->window.banner().currentId().isEmpty());
    running->window.closeUnasked();
    running.reset();
    running = open();
    QVERIFY(running);
    QVERIFY(running->window.banner().currentId().isEmpty());
    running->window.closeUnasked();
}

LATHE_TEST(MainWindowTest);

} // namespace lathe

#include "main_window_test.moc"
