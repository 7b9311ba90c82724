// SPDX-License-Identifier: Apache-2.0
#include "experiments/cli/json_output.h"

#include "engine/core/error.h"
#include "experiments/cli/standard_output.h"

#include <cerrno>
#include <cstring>
#include <fcntl.h>

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

} // namespace lathe
