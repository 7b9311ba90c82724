// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>

/// Who owns a live run: a process id alone is reused sooner or later.
namespace lathe {

struct ProcessIdentity {
    std::string host;
    std::string boot; ///< id of this start of the machine
    std::int64_t pid = 0;
    std::int64_t startTicks = 0; ///< since the machine's start, from /proc/PID/stat
};

ProcessIdentity thisProcess();
/// Whether that process is known to be gone. A process of another host never is: it cannot be seen.
bool isGone(const ProcessIdentity& process);

} // namespace lathe
