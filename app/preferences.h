// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "widgets/base/theme.h"

#include <QByteArray>
#include <QJsonObject>
#include <QString>
#include <QStringList>

namespace lathe {

/// Everything that is kept between two starts, with its defaults.
struct Preferences {
    static constexpr int kSchema = 1;
    static constexpr double kMinFontScale = 0.8;
    static constexpr double kMaxFontScale = 2.0;
    static constexpr int kMaxRecent = 10;

    Theme::Choice theme = Theme::Choice::System;
    double fontScale = 1.0;
    int engineNice = 5;
    bool firstStartDone = false;
    qint64 seenInterrupted = 0; ///< runs up to this id have been reported as interrupted
    QStringList recentModels;
    QByteArray geometry, windowState;
    QString currentPanel;
    QJsonObject panels;     ///< by panel id
    QJsonObject plotExport; ///< what was chosen last when a plot was written

    bool operator==(const Preferences&) const = default;
};

/// Reads the INI file; a value that is missing, of another type or out of range is replaced by its
/// default or clamped, and `problems` gets one line for each that was wrong.
Preferences readPreferences(const QString& file, QStringList& problems);
/// Any thread. @return an empty text, or why it failed.
QString writePreferences(const Preferences& preferences, const QString& file);
/// $XDG_CONFIG_HOME/lathe/lathe.ini.
QString defaultPreferencesFile();

} // namespace lathe
