// SPDX-License-Identifier: Apache-2.0
#include "experiments/cli/json_output.h"

#include "engine/core/error.h"
#include "experiments/cli/standard_output.h"

#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <unistd.h>

namespace lathe {

namespace {

constexpr mode_t kMode = 0644;

} // namespace

JsonOutput::JsonOutput(const std::string& target) : m_standard(target == "-") {
    if (m_standard) {
        m_fd = FileDescriptor(takeStandardOutput());
    } else if (!target.empty()) {
        m_fd =
            FileDescriptor(::open(target.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, kMode));
        if (!m_fd) {
            throw InputError("--json " + target + " cannot be written: " + std::strerror(errno));
        }
    }
}

void JsonOutput::writeLine(const Json& value) const {
    const std::string line = dumpJson(value) + "\n";
    std::size_t written = 0;
    while (written < line.size()) {
        const ssize_t count = ::write(fd(), line.data() + written, line.size() - written);
        if (count > 0) {
            written += static_cast<std::size_t>(count);
        } else if (count < 0 && errno == EPIPE) {
            return;
        } else if (count < 0 && errno != EINTR) {
            throw InternalError(std::string("--json: ") + std::strerror(errno));
        }
    }
}

} // namespace lathe
