// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "engine/core/error.h"
#include "kernels/cuda/cuda_state.h"

#include <cuda_runtime_api.h>

#include <map>
#include <mutex>
#include <string>
#include <utility>

namespace lathe::cuda {

/// Throws DeviceError with the driver's words; around every call of the runtime.
inline void check(
    cudaError_t status, const char* what,
    std::source_location where = std::source_location::current()) {
    if (status != cudaSuccess) {
        throw DeviceError(
            std::string(what) + " failed: " + cudaGetErrorString(status) + " (" +
                cudaGetErrorName(status) + "); --device cpu runs the same without the GPU",
            where);
    }
}

/// After every launch; with LATHE_CUDA_SYNC=1 also waits, so that a fault names its op.
inline void checkLaunch(
    ExecContext& context, const char* op,
    std::source_location where = std::source_location::current()) {
    check(cudaGetLastError(), op, where);
    if (context.cuda()->syncEveryOp) {
        check(cudaStreamSynchronize(context.cuda()->stream), op, where);
    }
}

/// Asks for the largest share of a multiprocessor's memory as shared memory. Kernels of one split
/// can be there together; where another is needed the ones in front may have to end first. What it
/// gains in a decoding step is told in docs/adr/0007-decode-graph.md.
template <class KernelFunction>
void preferShared(KernelFunction* kernel) {
    check(
        cudaFuncSetAttribute(
            reinterpret_cast<const void*>(kernel), cudaFuncAttributePreferredSharedMemoryCarveout,
            cudaSharedmemCarveoutMaxShared),
        "cudaFuncSetAttribute");
}

/// Raises what a kernel may have. The limit belongs to the function of a device, which other
/// threads launch, too, perhaps with more: it is never lowered.
inline void raiseShared(const void* kernel, std::size_t bytes) {
    static std::mutex mutex;
    static std::map<std::pair<const void*, int>, std::size_t> limits;
    int device = 0;
    check(cudaGetDevice(&device), "cudaGetDevice");
    const std::scoped_lock lock(mutex);
    std::size_t& limit = limits[{kernel, device}];
    if (bytes > limit) {
        check(
            cudaFuncSetAttribute(
                kernel, cudaFuncAttributeMaxDynamicSharedMemorySize, static_cast<int>(bytes)),
            "cudaFuncSetAttribute");
        preferShared(kernel);
        limit = bytes;
    }
}

/// Lets a kernel have more than the 48 KiB of dynamic shared memory that it may have unasked.
template <class KernelFunction>
void allowShared(KernelFunction* kernel, std::size_t bytes) {
    constexpr std::size_t kUnasked = 48U * 1024U;
    if (bytes > kUnasked) {
        raiseShared(reinterpret_cast<const void*>(kernel), bytes);
    }
}

} // namespace lathe::cuda
