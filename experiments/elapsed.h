// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>

namespace lathe {

using Clock = std::chrono::steady_clock;

inline double secondsSince(Clock::time_point start) {
    return std::chrono::duration<double>(Clock::now() - start).count();
}

} // namespace lathe
