// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cuda_runtime.h>

#include <cstdint>

/// Hopper's copy engine: one thread asks for a run of bytes, a barrier in shared memory tells all
/// others when they have come. Addresses are those of the shared window.
namespace lathe::cuda {

__device__ inline std::uint32_t sharedAddress(const void* shared) {
    return static_cast<std::uint32_t>(__cvta_generic_to_shared(shared));
}

__device__ inline void initBarrier(std::uint32_t barrier, std::uint32_t arrivals) {
    asm volatile("mbarrier.init.shared.b64 [%0], %1;" ::"r"(barrier), "r"(arrivals) : "memory");
}

/// After initBarrier, before the copy engine may use the barriers.
__device__ inline void publishBarriers() {
    asm volatile("fence.mbarrier_init.release.cluster;" ::: "memory");
}

__device__ inline void arrive(std::uint32_t barrier) {
    asm volatile("mbarrier.arrive.shared.b64 _, [%0];" ::"r"(barrier) : "memory");
}

/// Has the barrier's phase of this parity ended? Waits for some time that the hardware sets.
__device__ inline bool waitBriefly(std::uint32_t barrier, std::uint32_t parity) {
    std::uint32_t ended = 0;
    asm volatile("{\n"
                 ".reg .pred done;\n"
                 "mbarrier.try_wait.parity.shared.b64 done, [%1], %2;\n"
                 "selp.u32 %0, 1, 0, done;\n"
                 "}"
                 : "=r"(ended)
                 : "r"(barrier), "r"(parity)
                 : "memory");
    return ended != 0;
}

/// Waits for the end of the barrier's phase of this parity (the first phase has parity 0).
__device__ inline void wait(std::uint32_t barrier, std::uint32_t parity) {
    while (!waitBriefly(barrier, parity)) {
    }
}

/// Starts a copy of `bytes` (a multiple of 16, both ends aligned to 16), whose arrival completes
/// one phase of a barrier made for one arrival.
__device__ inline void
copyAsync(std::uint32_t to, const void* from, std::uint32_t bytes, std::uint32_t barrier) {
    asm volatile("mbarrier.arrive.expect_tx.shared.b64 _, [%0], %1;" ::"r"(barrier), "r"(bytes)
                 : "memory");
    asm volatile(
        "cp.async.bulk.shared::cluster.global.mbarrier::complete_tx::bytes [%0], [%1], %2, [%3];" ::
            "r"(to),
        "l"(from), "r"(bytes), "r"(barrier)
        : "memory");
}

} // namespace lathe::cuda
