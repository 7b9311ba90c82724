// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <QString>
#include <QStringList>

namespace lathe {

/// Exit status for wrong usage, and for a window that has no display.
inline constexpr int kUsageStatus = 2;

/// The options of `lathe`.
struct CommandLine {
    QString store;     ///< FILE instead of the user's run store
    QString heartbeat; ///< FILE for the record of how long the window was ever held up
    bool safeMode = false, fresh = false, resetSettings = false;
    bool help = false, version = false;
    QString problem; ///< why the arguments cannot be read, empty when they can
};

/// Reads arguments, the program's name first, after Qt has taken its own.
CommandLine readCommandLine(const QStringList& arguments);
/// What --help prints.
QString commandLineHelp(const QString& program);

/// Whether --help or --version is asked for, which need no display.
bool asksForText(int argc, char** argv);
/// Whether there is any hope for a window: a display is named, or a platform chosen.
bool namesDisplay(int argc, char** argv);
/// Says that the window cannot open, and how a study runs without it.
void sayNoDisplay(const char* why);

} // namespace lathe
