// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "engine/core/json.h"
#include "tests/support/lathe_test.h"

#include <QProcess>

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

namespace lathe::test {

/// The JSON objects of a text, one per line. @throws FormatError when a line is none.
std::vector<Json> jsonLines(const std::string& text);

/// What a call of `lathe-run` gave.
struct Outcome {
    int status = -1; ///< -1: it did not end, or a signal ended it
    std::string out;
    std::string err;

    std::vector<Json> lines() const { return jsonLines(out); }
    /// The message of standard error, when that is one readable line; otherwise empty.
    std::string message() const;
};

/// Calls the built `lathe-run` in a folder of its own, which is also the user's data folder.
class CommandLine {
public:
    const std::filesystem::path& folder() const { return m_folder.path(); }
    std::filesystem::path store() const { return folder() / "runs.db"; }

    /// Exactly these arguments.
    Outcome bare(const std::vector<std::string>& arguments) const;
    /// With `--store` of the folder added.
    Outcome run(std::vector<std::string> arguments) const;
    /// With `--store` and `--json -` added.
    Outcome json(std::vector<std::string> arguments) const;
    /// As json(), without waiting for the end; `reader` takes standard output, if there is one.
    std::unique_ptr<QProcess>
    start(std::vector<std::string> arguments, QProcess* reader = nullptr) const;
    /// A whole run as `runs export` gives it.
    Json exported(int run) const;

private:
    std::unique_ptr<QProcess>
    process(const std::vector<std::string>& arguments, QProcess* reader = nullptr) const;

    TemporaryFolder m_folder;
};

/// Reads from a started program until `count` lines of standard output are complete.
/// @return what was read; less when the program ended before
std::string readLines(QProcess& process, int count);
/// Waits for the end; `begun` is what was read of standard output before.
Outcome finish(QProcess& process, const std::string& begun = {});

} // namespace lathe::test
