// SPDX-License-Identifier: Apache-2.0
#include "tests/experiments/cli/command_line.h"

#include "engine/core/error.h"

#include <QProcessEnvironment>

#include <algorithm>

namespace lathe::test {

namespace {

constexpr int kPatienceMs = 100'000; ///< generous: sanitizers and busy machines

void append(std::vector<std::string>& arguments, std::initializer_list<std::string> more) {
    arguments.insert(arguments.end(), more);
}

} // namespace

std::vector<Json> jsonLines(const std::string& text) {
    std::vector<Json> lines;
    for (std::size_t from = 0; from < text.size();) {
        const std::size_t end = text.find('\n', from);
        if (end == std::string::npos) {
            throw FormatError("the last line does not end: " + text.substr(from));
        }
        lines.push_back(parseJson(text.substr(from, end - from), "output"));
        from = end + 1;
    }
    return lines;
}

std::string Outcome::message() const {
    const std::string prefix = "lathe-run: ";
    const bool oneLine = err.ends_with('\n') && std::ranges::count(err, '\n') == 1;
    const bool readable = std::ranges::all_of(
        err, [](char c) { return static_cast<unsigned char>(c) >= 0x20 || c == '\n'; });
    if (!oneLine || !readable || !err.starts_with(prefix)) {
        return {};
    }
    return err.substr(prefix.size(), err.size() - prefix.size() - 1);
}

std::unique_ptr<QProcess>
CommandLine::process(const std::vector<std::string>& arguments, QProcess* reader) const {
    auto process = std::make_unique<QProcess>();
    QProcessEnvironment environment = QProcessEnvironment::systemEnvironment();
    environment.insert("XDG_DATA_HOME", QString::fromStdString((folder() / "data").string()));
    environment.insert("HF_HOME", QString::fromStdString((folder() / "cache").string()));
    process->setProcessEnvironment(environment);
    process->setWorkingDirectory(QString::fromStdString(folder().string()));
    QStringList list;
    for (const std::string& argument : arguments) {
        list << QString::fromStdString(argument);
    }
    if (reader != nullptr) {
        process->setStandardOutputProcess(reader);
    }
    process->start(QString::fromStdString((programFolder() / "lathe-run").string()), list);
    return process;
}

Outcome CommandLine::bare(const std::vector<std::string>& arguments) const {
    return finish(*process(arguments));
}

Outcome CommandLine::run(std::vector<std::string> arguments) const {
    append(arguments, {"--store", store().string()});
    return bare(arguments);
}

Outcome CommandLine::json(std::vector<std::string> arguments) const {
    append(arguments, {"--json", "-"});
    return run(std::move(arguments));
}

std::unique_ptr<QProcess>
CommandLine::start(std::vector<std::string> arguments, QProcess* reader) const {
    append(arguments, {"--json", "-", "--store", store().string()});
    return process(arguments, reader);
}

Json CommandLine::exported(int run) const {
    return json({"runs", "export", std::to_string(run)}).lines().at(0);
}

std::string readLines(QProcess& process, int count) {
    QByteArray bytes = process.readAllStandardOutput();
    while (bytes.count('\n') < count && process.waitForReadyRead(kPatienceMs)) {
        bytes += process.readAllStandardOutput();
    }
    return bytes.toStdString();
}

Outcome finish(QProcess& process, const std::string& begun) {
    const bool ended =
        process.waitForFinished(kPatienceMs) ||
        (process.state() == QProcess::NotRunning && process.error() != QProcess::FailedToStart);
    Outcome outcome;
    outcome.out = begun + process.readAllStandardOutput().toStdString();
    outcome.err = process.readAllStandardError().toStdString();
    if (ended && process.exitStatus() == QProcess::NormalExit) {
        outcome.status = process.exitCode();
    }
    return outcome;
}

} // namespace lathe::test
