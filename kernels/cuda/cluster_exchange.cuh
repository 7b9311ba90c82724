// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "kernels/cuda/async_copy.cuh"

#include <cstdint>

/// Values that the blocks of a cluster write into one another's shared memory, and the barriers
/// that say when all of them are there: one way through the cluster instead of the two of a
/// barrier of all its threads. On Hopper only; elsewhere nothing of this happens.
namespace lathe::cuda {

/// In shared memory: done once the bytes that were announced have come.
struct Arrivals {
    std::uint64_t word;
};

__device__ inline void initArrivals(Arrivals& arrivals) {
#if __CUDA_ARCH__ >= 900
    asm volatile("mbarrier.init.shared::cta.b64 [%0], 1;" ::"r"(sharedAddress(&arrivals))
                 : "memory");
#endif
}

/// Behind `initArrivals`, by the same thread, before the others of the cluster may send.
__device__ inline void announceInit() {
#if __CUDA_ARCH__ >= 900
    asm volatile("fence.mbarrier_init.release.cluster;" ::: "memory");
#endif
}

/// By one thread for each use, before or after the bytes come.
__device__ inline void expectBytes(Arrivals& arrivals, std::uint32_t bytes) {
#if __CUDA_ARCH__ >= 900
    asm volatile(
        "mbarrier.arrive.expect_tx.shared::cta.b64 _, [%0], %1;" ::"r"(sharedAddress(&arrivals)),
        "r"(bytes)
        : "memory");
#endif
}

/// More bytes of a use that is not announced in full yet.
__device__ inline void announceBytes(Arrivals& arrivals, std::uint32_t bytes) {
#if __CUDA_ARCH__ >= 900
    asm volatile(
        "mbarrier.expect_tx.relaxed.cta.shared::cta.b64 [%0], %1;" ::"r"(sharedAddress(&arrivals)),
        "r"(bytes)
        : "memory");
#endif
}

/// Until the bytes of use 0, 1, 0, 1.. are there for this thread to read. What senders wrote
/// elsewhere is not: to acquire that too would empty the first-level cache.
__device__ inline void waitForBytes(Arrivals& arrivals, std::uint32_t use) {
#if __CUDA_ARCH__ >= 900
    asm volatile("{\n"
                 ".reg .pred done;\n"
                 "again:\n"
                 "mbarrier.try_wait.parity.shared::cta.b64 done, [%0], %1;\n"
                 "@!done bra again;\n"
                 "}\n" ::"r"(sharedAddress(&arrivals)),
                 "r"(use & 1U)
                 : "memory");
#endif
}

/// Where `shared` of this block lies in another block of the cluster.
__device__ inline std::uint32_t addressIn(std::uint32_t block, const void* shared) {
    std::uint32_t address = 0;
#if __CUDA_ARCH__ >= 900
    asm("mapa.shared::cluster.u32 %0, %1, %2;"
        : "=r"(address)
        : "r"(sharedAddress(shared)), "r"(block));
#endif
    return address;
}

/// Writes `value` to where `to` lies in a block, whose `arrivals` get 4 bytes.
__device__ inline void
sendTo(std::uint32_t block, const void* to, std::uint32_t value, const Arrivals& arrivals) {
#if __CUDA_ARCH__ >= 900
    asm volatile("st.async.shared::cluster.mbarrier::complete_tx::bytes.b32 [%0], %1, [%2];" ::"r"(
                     addressIn(block, to)),
                 "r"(value), "r"(addressIn(block, &arrivals))
                 : "memory");
#endif
}
__device__ inline void
sendTo(std::uint32_t block, const void* to, float value, const Arrivals& arrivals) {
    sendTo(block, to, __float_as_uint(value), arrivals);
}

/// Copies `bytes` of global memory, a multiple of 16, to this block; both ends are aligned to 16.
__device__ inline void
copyBulk(void* to, const void* from, std::uint32_t bytes, Arrivals& arrivals) {
#if __CUDA_ARCH__ >= 900
    asm volatile(
        "cp.async.bulk.shared::cluster.global.mbarrier::complete_tx::bytes [%0], [%1], %2, [%3];" ::
            "r"(sharedAddress(to)),
        "l"(from), "r"(bytes), "r"(sharedAddress(&arrivals))
        : "memory");
#endif
}

/// All threads of the cluster: none goes on before all have come.
__device__ inline void meetCluster() {
#if __CUDA_ARCH__ >= 900
    __syncwarp();
    asm volatile("barrier.cluster.arrive.release.aligned;\n"
                 "barrier.cluster.wait.acquire.aligned;" ::
                     : "memory");
#endif
}

__device__ inline std::uint32_t blockOfCluster() {
    std::uint32_t rank = 0;
#if __CUDA_ARCH__ >= 900
    asm("mov.u32 %0, %%cluster_ctarank;" : "=r"(rank));
#endif
    return rank;
}

} // namespace lathe::cuda
