// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "engine/core/json.h"
#include "experiments/remote/child_process.h"

#include <string>

namespace lathe {

/// Where `--json` points: a file, standard output alone ("-"), or nowhere (empty).
class JsonOutput {
public:
    /// @throws InputError when the file cannot be written
    explicit JsonOutput(const std::string& target);

    explicit operator bool() const noexcept { return static_cast<bool>(m_fd); }
    int fd() const noexcept { return m_fd.get(); }
    /// Whether it took standard output, which then belongs to JSON alone.
    bool ownsStandardOutput() const noexcept { return m_standard; }
    /// One value as one line. A reader that is gone is no error.
    /// @throws InternalError when it cannot be written (disk full)
    void writeLine(const Json& value) const;

private:
    FileDescriptor m_fd;
    bool m_standard = false;
};

} // namespace lathe
