// SPDX-License-Identifier: Apache-2.0
#include "experiments/cli/standard_output.h"

#include "engine/core/error.h"

#include <fcntl.h>
#include <unistd.h>

namespace lathe {

int takeStandardOutput() {
    const int taken = fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
    if (taken < 0 || dup2(STDERR_FILENO, STDOUT_FILENO) < 0) {
        throw InternalError("standard output is closed; give the program one");
    }
    return taken;
}

} // namespace lathe
