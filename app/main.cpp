// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/command_line.h"
#include "app/log_file.h"
#include "app/main_window.h"
#include "app/resources.h"
#include "app/settings.h"
#include "app/workbench.h"
#include "experiments/store/database.h"
#include "widgets/base/heartbeat.h"
#include "widgets/base/theme.h"

#include <QApplication>
#include <QTimer>

#include <csignal>
#include <cstdio>
#include <functional>
#include <unistd.h>
#include <utility>

namespace {

/// Qt ends the process when the display that was named cannot be opened; this says first what else
/// can be done, and ends it without a core file.
void onStartMessage(QtMsgType type, const QMessageLogContext&, const QString& text) {
    if (type == QtFatalMsg) {
        lathe::sayNoDisplay(qPrintable(text.section(QLatin1Char('\n'), 0, 0)));
        _exit(lathe::kUsageStatus);
    }
    std::fprintf(stderr, "lathe: %s\n", qPrintable(text));
}

void nameApplication() {
    QCoreApplication::setApplicationName(QStringLiteral("lathe"));
    QCoreApplication::setApplicationVersion(
        QStringLiteral(LATHE_VERSION " (" LATHE_GIT_REVISION ")"));
    QGuiApplication::setApplicationDisplayName(QStringLiteral("Lathe"));
    QGuiApplication::setDesktopFileName(QStringLiteral("org.lathe.Lathe"));
}

int printText(int argc, char** argv) {
    const QCoreApplication application(argc, argv);
    const lathe::CommandLine line = lathe::readCommandLine(QCoreApplication::arguments());
    std::fputs(
        line.help ? qPrintable(lathe::commandLineHelp(QStringLiteral("lathe")))
                  : "lathe " LATHE_VERSION " (" LATHE_GIT_REVISION ")\n",
        stdout);
    return 0;
}

/// Says when the window is drawn for the first time: shown is not yet seen.
class FirstPaint : public QObject {
public:
    FirstPaint(QWidget& window, std::function<void()> painted)
        : QObject(&window), m_painted(std::move(painted)) {
        window.installEventFilter(this);
    }

private:
    bool eventFilter(QObject* object, QEvent* event) override {
        if (event->type() == QEvent::Paint && m_painted) {
            QTimer::singleShot(0, this, std::exchange(m_painted, nullptr));
        }
        return QObject::eventFilter(object, event);
    }
    std::function<void()> m_painted;
};

/// Remembers when the window, the engine and the first result were there.
void watch(lathe::Heartbeat& heartbeat, lathe::Workbench& workbench, QWidget& window) {
    QObject::connect(&workbench, &lathe::PanelContext::engineChanged, &heartbeat, [&] {
        if (workbench.engineState() == lathe::EngineState::Ready) {
            heartbeat.mark(QStringLiteral("engine"));
        }
    });
    QObject::connect(
        &workbench, &lathe::Workbench::eventsReady, &heartbeat,
        [&heartbeat](std::span<const lathe::Event> events) {
            for (const lathe::Event& event : events) {
                const auto* cell = std::get_if<lathe::CellChanged>(&event.payload);
                if (cell != nullptr && cell->state == lathe::CellState::Done) {
                    heartbeat.mark(QStringLiteral("cell"));
                }
            }
        });
    new FirstPaint(window, [&heartbeat] { heartbeat.mark(QStringLiteral("window")); });
    heartbeat.start();
}

int runWindow(const lathe::CommandLine& options) {
    lathe::Settings settings(lathe::defaultPreferencesFile());
    if (options.resetSettings) {
        settings.resetToDefaults();
    }
    // The engine starts before the first widget is made: it loads while the window is built.
    lathe::Workbench workbench(
        {.storePath = options.store.isEmpty() ? lathe::defaultStorePath()
                                              : std::filesystem::path(options.store.toStdString()),
         .engineCommand = lathe::engineCommand(),
         .firstStartSpec = lathe::firstStartSpecFile(),
         .logFile = lathe::defaultLogFile(),
         .safeMode = options.safeMode},
        settings);
    lathe::Theme theme;
    theme.setChoice(settings.get().theme);
    theme.setFontScale(settings.get().fontScale); // before the first widget measures its text
    QApplication::setWindowIcon(QIcon(QStringLiteral(":/icons/lathe.svg")));
    lathe::Heartbeat heartbeat;
    lathe::MainWindow window(workbench, settings, theme, !options.safeMode && !options.fresh);
    window.show();
    workbench.openStore();
    if (options.heartbeat.isEmpty()) {
        return QApplication::exec();
    }
    watch(heartbeat, workbench, window);
    const int status = QApplication::exec();
    if (const QString why = heartbeat.writeTo(options.heartbeat); !why.isEmpty()) {
        std::fprintf(stderr, "lathe: %s: %s\n", qPrintable(options.heartbeat), qPrintable(why));
        return 1;
    }
    return status;
}

} // namespace

int main(int argc, char** argv) {
    std::signal(SIGPIPE, SIG_IGN); // a dead child is an error to be shown, not the window's end
    nameApplication();
    if (lathe::asksForText(argc, argv)) {
        return printText(argc, argv);
    }
    if (!lathe::namesDisplay(argc, argv)) {
        lathe::sayNoDisplay("there is no display (DISPLAY and WAYLAND_DISPLAY are empty).");
        return lathe::kUsageStatus;
    }
    const QtMessageHandler usual = qInstallMessageHandler(onStartMessage);
    const QApplication application(argc, argv);
    qInstallMessageHandler(usual);
    const lathe::CommandLine options = lathe::readCommandLine(QCoreApplication::arguments());
    if (!options.problem.isEmpty()) {
        std::fprintf(stderr, "lathe: %s (see lathe --help)\n", qPrintable(options.problem));
        return lathe::kUsageStatus;
    }
    return runWindow(options);
}
