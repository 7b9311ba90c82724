// SPDX-License-Identifier: Apache-2.0
#include "experiments/store/process_identity.h"

#include <array>
#include <fstream>
#include <sstream>
#include <unistd.h>

namespace lathe {

namespace {

std::string hostName() {
    std::array<char, 256> name{};
    return gethostname(name.data(), name.size() - 1) == 0 ? name.data() : "";
}

std::string bootId() {
    std::ifstream file("/proc/sys/kernel/random/boot_id");
    std::string id;
    file >> id;
    return id;
}

/// 0 when there is no such process. A zombie counts as gone: it writes nothing any more.
std::int64_t startTicksOf(std::int64_t pid) {
    std::ifstream file("/proc/" + std::to_string(pid) + "/stat");
    std::string line;
    std::getline(file, line);
    // The program's name stands in parentheses and may hold anything; field 3 follows the last one.
    const auto close = line.rfind(')');
    if (close == std::string::npos) {
        return 0;
    }
    constexpr int kStateField = 3;
    constexpr int kStartField = 22;
    std::istringstream fields(line.substr(close + 1));
    std::string field;
    for (int i = kStateField; i <= kStartField && fields >> field; ++i) {
        if (i == kStateField && (field == "Z" || field == "X")) {
            return 0;
        }
        if (i == kStartField) {
            return std::stoll(field);
        }
    }
    return 0;
}

} // namespace

ProcessIdentity thisProcess() { return {hostName(), bootId(), getpid(), startTicksOf(getpid())}; }

bool isGone(const ProcessIdentity& process) {
    if (process.host != hostName()) {
        return false;
    }
    return process.boot != bootId() || startTicksOf(process.pid) != process.startTicks;
}

} // namespace lathe
