// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/command_line.h"

#include <QCommandLineParser>
#include <QCoreApplication>

#include <algorithm>
#include <array>
#include <cstdio>
#include <cstdlib>
#include <span>
#include <string_view>

namespace lathe {

namespace {

QString tr(const char* text) { return QCoreApplication::translate("CommandLine", text); }

struct Options {
    QCommandLineOption store{QStringLiteral("store"), tr("Run store to use."), tr("FILE")};
    QCommandLineOption safe{
        QStringLiteral("safe-mode"),
        tr("No stored layout and no first sweep; nothing is kept but runs.")};
    QCommandLineOption fresh{
        QStringLiteral("fresh"), tr("Do not restore layout, drafts and selection.")};
    QCommandLineOption reset{
        QStringLiteral("reset-settings"), tr("Put all settings back to their defaults.")};
    QCommandLineOption heartbeat{
        QStringLiteral("heartbeat"),
        tr("Write how long the window was ever held up, as JSON, at the end."), tr("FILE")};
    QCommandLineOption help{{QStringLiteral("h"), QStringLiteral("help")}, tr("Show this text.")};
    QCommandLineOption version{
        {QStringLiteral("v"), QStringLiteral("version")}, tr("Show the version.")};

    void addTo(QCommandLineParser& parser) const {
        parser.addOptions({store, safe, fresh, reset, heartbeat, help, version});
    }
};

bool anyArgument(int argc, char** argv, std::span<const std::string_view> wanted) {
    return std::any_of(argv + std::min(argc, 1), argv + argc, [wanted](const char* argument) {
        return std::ranges::find(wanted, std::string_view(argument)) != wanted.end();
    });
}

} // namespace

CommandLine readCommandLine(const QStringList& arguments) {
    const Options options;
    QCommandLineParser parser;
    options.addTo(parser);
    CommandLine line;
    if (!parser.parse(arguments)) {
        line.problem = parser.errorText();
    } else if (!parser.positionalArguments().isEmpty()) {
        line.problem = tr("'%1' is no option; studies are run by lathe-run")
                           .arg(parser.positionalArguments().constFirst());
    }
    line.store = parser.value(options.store);
    line.heartbeat = parser.value(options.heartbeat);
    line.safeMode = parser.isSet(options.safe);
    line.fresh = parser.isSet(options.fresh);
    line.resetSettings = parser.isSet(options.reset);
    line.help = parser.isSet(options.help);
    line.version = parser.isSet(options.version);
    if (line.problem.isEmpty() && parser.isSet(options.store) && line.store.isEmpty()) {
        line.problem = tr("--store needs the name of a file");
    }
    return line;
}

QString commandLineHelp(const QString& program) {
    // The parser's own text needs an application object; this one is short enough to be written.
    const Options options;
    QString text = tr("Usage: %1 [options]\nThe window of Lathe. Studies without a window: "
                      "lathe-run --help\n\nOptions:\n")
                       .arg(program);
    for (const QCommandLineOption& option :
         {options.store, options.safe, options.fresh, options.reset, options.heartbeat,
          options.help, options.version}) {
        QString name = QStringLiteral("--") + option.names().constLast();
        if (!option.valueName().isEmpty()) {
            name += QLatin1Char(' ') + option.valueName();
        }
        text += QStringLiteral("  %1%2\n").arg(name, -20).arg(option.description());
    }
    return text;
}

bool asksForText(int argc, char** argv) {
    static constexpr std::array<std::string_view, 4> kWanted{"-h", "--help", "-v", "--version"};
    return anyArgument(argc, argv, kWanted);
}

bool namesDisplay(int argc, char** argv) {
    static constexpr std::array<std::string_view, 4> kChoices{
        "-platform", "--platform", "-display", "--display"};
    static constexpr std::array<const char*, 3> kVariables{
        "DISPLAY", "WAYLAND_DISPLAY", "QT_QPA_PLATFORM"};
    const auto isSet = [](const char* variable) {
        const char* value = std::getenv(variable);
        return value != nullptr && *value != '\0';
    };
    return anyArgument(argc, argv, kChoices) || std::ranges::any_of(kVariables, isSet);
}

void sayNoDisplay(const char* why) {
    std::fprintf(
        stderr,
        "lathe: the window cannot open: %s\n"
        "Studies run without one, for example:\n"
        "  lathe-run quant.sweep --model lm-little --methods rtn,kmeans --bits 2,3,4\n"
        "  lathe-run --help\n",
        why);
}

} // namespace lathe
