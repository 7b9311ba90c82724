// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "kernels/core/exec_context.h"
#include "kernels/core/tensor.h"

#include <cstdint>
#include <functional>
#include <memory>
#include <span>

namespace lathe {

/// Launches of ops, recorded once and replayed as one: the host's work for each of them is done
/// beforehand. The graph keeps the addresses that it was recorded with; what lies there may change
/// between replays, the memory itself must stay. It takes no scratch memory: an op that needs some
/// cannot be recorded.
class CapturedGraph {
public:
    virtual ~CapturedGraph() = default;

    /// Records what `body` runs on the context's stream, without running it.
    /// @throws Unsupported where it is not available; DeviceError for an op that cannot be recorded
    ///         (it allocates or waits).
    static std::unique_ptr<CapturedGraph>
    record(ExecContext& context, const std::function<void()>& body);
    /// Records `first`, and behind it `again`, which a replay repeats on the device as long as `go`
    /// is not 0 behind it: the host waits once for any number of rounds.
    /// @param go [1] I32 on the context's device, written by both. @throws as record
    static std::unique_ptr<CapturedGraph> recordLoop(
        ExecContext& context, const std::function<void()>& first,
        const std::function<void()>& again, ConstView go);
    /// On a GPU, and not while every op is waited for (LATHE_CUDA_SYNC=1).
    static bool isAvailable(ExecContext& context);

    /// Enqueues the launches on the stream of a context of the same device.
    virtual void replay(ExecContext& context) = 0;
    /// Kernels recorded; those of a loop's two parts once each.
    virtual int kernels() const noexcept = 0;
};

/// Most integers of one `put`.
inline constexpr std::size_t kMostPut = 64;

/// Writes host integers to `to`, I32 of as many elements on the context's device, ordered on its
/// stream: what the next replay is to read. Unlike `copy` it waits for nothing, and `values` may go
/// when it returns.
/// @throws InputError for more than kMostPut, or when `to` does not fit.
void put(ExecContext& context, std::span<const std::int32_t> values, TensorView to);

} // namespace lathe
