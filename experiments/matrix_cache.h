// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "engine/core/json.h"
#include "engine/core/run_control.h"

#include <filesystem>
#include <functional>
#include <string>

namespace lathe {

/// What was worked out for each matrix of a model, one file of a cache folder for each:
/// {"<what>": value, "hash": of the value's text}. Written as soon as it is known, so that what was
/// cancelled goes on where it stopped.
class MatrixCache {
public:
    /// @param what names the files and what they hold ("curve")
    MatrixCache(RunControl& run, std::filesystem::path folder, std::string what)
        : m_run(run), m_folder(std::move(folder)), m_what(std::move(what)) {}

    /// Hands the value to `take` when it is there and as it was written. A file that is damaged, or
    /// that `take` refuses by an Error or a JSON exception, is said in a log line.
    /// @return whether it was taken
    bool read(std::size_t index, const std::function<void(const Json&)>& take) const;
    /// Beside its place, then renamed: other processes see whole files alone.
    /// @throws InputError when it cannot be written
    void write(std::size_t index, const Json& value) const;
    std::filesystem::path pathOf(std::size_t index) const;

private:
    void warn(const std::string& what) const;

    RunControl& m_run;
    std::filesystem::path m_folder;
    std::string m_what;
};

} // namespace lathe
