// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "app/main_window.h"
#include "app/settings.h"
#include "app/workbench.h"
#include "widgets/base/theme.h"

#include <QStringList>

#include <filesystem>

namespace lathe::test {

/// The whole window as main puts it together, in a folder of its own.
struct RunningWindow {
    struct Options {
        QStringList engine{}; ///< command; empty: one that never says hello
        bool safeMode = true;
        bool restoreLayout = true;
        QString firstStart{}; ///< Spec file of the first sweep
    };

    /// `folder` holds runs.db and lathe.ini; using it again is the next start of the program.
    RunningWindow(const std::filesystem::path& folder, Options options);

    bool waitForPanels();
    bool waitForEngine();
    /// State of a run in the store, by its name; empty when there is no such run.
    std::string storedState(qint64 runId);

    Settings settings;
    Workbench workbench;
    Theme theme;
    MainWindow window;
    bool panelsMade = false;
};

/// The engine built beside the tests. It says a word on its standard error first.
QStringList realEngine();
inline constexpr const char* kEngineWord = "a word before the end";

} // namespace lathe::test
