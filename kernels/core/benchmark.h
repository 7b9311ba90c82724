// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "kernels/core/exec_context.h"

#include <functional>

namespace lathe {

struct Timing {
    double medianUs = 0.0, minimumUs = 0.0, maximumUs = 0.0;
};

/// Time of one call of `body(i)` (i counts up, so that the body can rotate its buffers), warmed up,
/// `repeat` measurements of `launches` calls each. CPU: steady_clock around the loop; CUDA: events
/// around a graph of the launches, slope between half and full length, so that launch gaps and the
/// graph's start do not count.
Timing
timeKernel(ExecContext& context, int repeat, int launches, const std::function<void(int)>& body);

/// Copy bandwidth of the device in bytes per second, read and written bytes counted, on buffers of
/// several times the cache. CPU: all threads of the context.
double measureCopyBandwidth(ExecContext& context);

/// Bytes of the last-level cache that a benchmark must exceed.
std::size_t lastLevelCacheBytes(ExecContext& context);

} // namespace lathe
