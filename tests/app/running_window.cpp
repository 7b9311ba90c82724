// SPDX-License-Identifier: GPL-3.0-or-later
#include "tests/app/running_window.h"

#include "tests/support/lathe_test.h"

namespace lathe::test {

namespace {

constexpr int kEngineTimeoutMs = 60000; ///< generous: sanitizers and busy machines

QStringList silentEngine() {
    // Its output stays open as long as its input does.
    return {
        QStringLiteral("/bin/sh"), QStringLiteral("-c"), QStringLiteral("cat > /dev/null; exit")};
}

} // namespace

QStringList realEngine() {
    const QString program = QString::fromStdString((programFolder() / "lathe-run").string());
    return {
        QStringLiteral("/bin/sh"), QStringLiteral("-c"),
        QStringLiteral("echo '%1' >&2; exec \"$0\" serve \"$@\"").arg(QLatin1String(kEngineWord)),
        program};
}

RunningWindow::RunningWindow(const std::filesystem::path& folder, Options options)
    : settings(QString::fromStdString((folder / "lathe.ini").string())),
      workbench(
          {.storePath = folder / "runs.db",
           .engineCommand = options.engine.isEmpty() ? silentEngine() : options.engine,
           .firstStartSpec = options.firstStart,
           .safeMode = options.safeMode},
          settings),
      window(workbench, settings, theme, options.restoreLayout) {
    QObject::connect(&window, &MainWindow::panelsMade, &window, [this] { panelsMade = true; });
    window.show();
    workbench.openStore();
}

bool RunningWindow::waitForPanels() {
    return QTest::qWaitFor([this] { return panelsMade; }, kEngineTimeoutMs);
}

bool RunningWindow::waitForEngine() {
    return waitForPanels() && QTest::qWaitFor(
                                  [this] {
                                      return workbench.engine() != nullptr &&
                                             workbench.engineState() == EngineState::Ready;
                                  },
                                  kEngineTimeoutMs);
}

std::string RunningWindow::storedState(qint64 runId) {
    const auto row = workbench.reader().run(runId);
    return row ? std::string(nameOf(row->state)) : std::string();
}

} // namespace lathe::test
