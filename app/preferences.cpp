// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/preferences.h"

#include <QCoreApplication>
#include <QJsonDocument>
#include <QSettings>
#include <QStandardPaths>

#include <algorithm>
#include <array>
#include <cmath>
#include <utility>

namespace lathe {

namespace {

constexpr qsizetype kMaxLayoutBytes = 1 << 20;

constexpr std::array<std::pair<Theme::Choice, const char*>, 3> kThemes{
    {{Theme::Choice::System, "system"},
     {Theme::Choice::Light, "light"},
     {Theme::Choice::Dark, "dark"}}};

QString tr(const char* text) { return QCoreApplication::translate("Preferences", text); }

/// Reads values one by one and notes what was wrong with them.
class Checked {
public:
    Checked(const QSettings& settings, QStringList& problems)
        : m_settings(settings), m_problems(problems) {}

    double number(const char* key, double fallback, double low, double high) {
        if (!has(key)) {
            return fallback;
        }
        bool fine = false;
        const double value = raw(key).toString().toDouble(&fine);
        if (!fine || !std::isfinite(value)) {
            return refuse(key), fallback;
        }
        if (value < low || value > high) {
            refuse(key);
        }
        return std::clamp(value, low, high);
    }

    bool flag(const char* key, bool fallback) {
        const QString text = raw(key).toString();
        if (text == QLatin1String("true") || text == QLatin1String("false")) {
            return text == QLatin1String("true");
        }
        if (has(key)) {
            refuse(key);
        }
        return fallback;
    }

    QByteArray bytes(const char* key) {
        const QByteArray encoded = raw(key).toString().toLatin1();
        const auto decoded =
            QByteArray::fromBase64Encoding(encoded, QByteArray::AbortOnBase64DecodingErrors);
        if (!decoded || decoded.decoded.size() > kMaxLayoutBytes) {
            return refuse(key), QByteArray();
        }
        return decoded.decoded;
    }

    QString text(const char* key, qsizetype longest) {
        const QString value = raw(key).toString();
        return value.size() <= longest ? value : (refuse(key), QString());
    }

    QJsonObject object(const char* key) {
        const QByteArray json = bytes(key);
        if (json.isEmpty()) {
            return {};
        }
        const QJsonDocument document = QJsonDocument::fromJson(json);
        return document.isObject() ? document.object() : (refuse(key), QJsonObject());
    }

    bool has(const char* key) const { return m_settings.contains(QLatin1String(key)); }
    QVariant raw(const char* key) const { return m_settings.value(QLatin1String(key)); }
    void refuse(const char* key) {
        m_problems << tr("Setting '%1' is damaged or out of range; a sound value is used instead")
                          .arg(QLatin1String(key));
    }

private:
    const QSettings& m_settings;
    QStringList& m_problems;
};

} // namespace

QString defaultPreferencesFile() {
    return QStandardPaths::writableLocation(QStandardPaths::GenericConfigLocation) +
           QStringLiteral("/lathe/lathe.ini");
}

Preferences readPreferences(const QString& file, QStringList& problems) {
    const QSettings settings(file, QSettings::IniFormat);
    Preferences p;
    if (settings.status() != QSettings::NoError) {
        problems << tr("%1 cannot be read; default settings are used").arg(file);
        return p;
    }
    Checked in(settings, problems);
    if (in.has("schema") && in.number("schema", 1, 0, 1e6) > Preferences::kSchema) {
        problems << tr("%1 was written by a newer version; what fits is used").arg(file);
    }
    const QString theme = in.text("theme", 20);
    const auto known = std::ranges::find_if(
        kThemes, [&theme](const auto& entry) { return theme == QLatin1String(entry.second); });
    if (known != kThemes.end()) {
        p.theme = known->first;
    } else if (in.has("theme")) {
        in.refuse("theme");
    }
    p.fontScale = in.number(
        "font_scale", p.fontScale, Preferences::kMinFontScale, Preferences::kMaxFontScale);
    p.engineNice = static_cast<int>(in.number("engine_nice", p.engineNice, 0, 19));
    p.firstStartDone = in.flag("first_start_done", p.firstStartDone);
    p.seenInterrupted = static_cast<qint64>(in.number("seen_interrupted", 0, 0, 9e15));
    p.recentModels = in.raw("recent_models").toStringList();
    p.recentModels.removeIf([](const QString& path) { return !path.startsWith(QLatin1Char('/')); });
    p.recentModels = p.recentModels.mid(0, Preferences::kMaxRecent);
    p.geometry = in.bytes("geometry");
    p.windowState = in.bytes("window_state");
    p.currentPanel = in.text("current_panel", 40);
    p.panels = in.object("panels");
    p.plotExport = in.object("plot_export");
    return p;
}

QString writePreferences(const Preferences& p, const QString& file) {
    QSettings settings(file, QSettings::IniFormat);
    settings.setValue(QStringLiteral("schema"), Preferences::kSchema);
    for (const auto& [choice, name] : kThemes) {
        if (choice == p.theme) {
            settings.setValue(QStringLiteral("theme"), QLatin1String(name));
        }
    }
    settings.setValue(QStringLiteral("font_scale"), QString::number(p.fontScale));
    settings.setValue(QStringLiteral("engine_nice"), p.engineNice);
    settings.setValue(QStringLiteral("first_start_done"), p.firstStartDone);
    settings.setValue(QStringLiteral("seen_interrupted"), p.seenInterrupted);
    settings.setValue(QStringLiteral("recent_models"), p.recentModels);
    settings.setValue(QStringLiteral("geometry"), QString::fromLatin1(p.geometry.toBase64()));
    settings.setValue(
        QStringLiteral("window_state"), QString::fromLatin1(p.windowState.toBase64()));
    settings.setValue(QStringLiteral("current_panel"), p.currentPanel);
    const QByteArray panels = QJsonDocument(p.panels).toJson(QJsonDocument::Compact);
    settings.setValue(QStringLiteral("panels"), QString::fromLatin1(panels.toBase64()));
    const QByteArray plot = QJsonDocument(p.plotExport).toJson(QJsonDocument::Compact);
    settings.setValue(QStringLiteral("plot_export"), QString::fromLatin1(plot.toBase64()));
    settings.sync();
    return settings.status() == QSettings::NoError
               ? QString()
               : tr("%1 cannot be written; settings of this session are lost").arg(file);
}

} // namespace lathe
