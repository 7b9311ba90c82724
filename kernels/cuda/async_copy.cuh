// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cuda_runtime.h>

#include <cstdint>

/// Copies to shared memory that no register waits for. A thread that reads only what it copied
/// itself needs no barrier. Addresses are those of the shared window.
namespace lathe::cuda {

__device__ inline std::uint32_t sharedAddress(const void* shared) {
    return static_cast<std::uint32_t>(__cvta_generic_to_shared(shared));
}

/// 16 bytes, both ends aligned to 16; they pass by the first-level cache.
__device__ inline void copyAsync(std::uint32_t to, const void* from) {
    asm volatile("cp.async.cg.shared.global.L2::128B [%0], [%1], 16;" ::"r"(to), "l"(from)
                 : "memory");
}

/// 4 bytes, both ends aligned to 4.
__device__ inline void copyAsyncWord(std::uint32_t to, const void* from) {
    asm volatile("cp.async.ca.shared.global [%0], [%1], 4;" ::"r"(to), "l"(from) : "memory");
}

/// The first `bytes` of 16, and 0 in place of the others; `from` is a valid address in any case.
__device__ inline void copyAsyncPart(std::uint32_t to, const void* from, unsigned bytes) {
    asm volatile("cp.async.cg.shared.global.L2::128B [%0], [%1], 16, %2;" ::"r"(to), "l"(from),
                 "r"(bytes)
                 : "memory");
}

/// Asks the second-level cache for what lies at `from`.
__device__ inline void prefetchLine(const void* from) {
    asm volatile("prefetch.global.L2 [%0];" ::"l"(from));
}

/// Asks the second-level cache for `bytes`, a multiple of 16 and aligned to 16.
__device__ inline void prefetch(const void* from, std::uint32_t bytes) {
#if __CUDA_ARCH__ >= 900
    asm volatile("cp.async.bulk.prefetch.L2.global [%0], %1;" ::"l"(from), "r"(bytes) : "memory");
#endif
}

/// Ends a group: all copies since the last one. A group may be empty.
__device__ inline void endCopyGroup() { asm volatile("cp.async.commit_group;" ::: "memory"); }

/// Waits for all of the thread's groups but the last `Pending`.
template <int Pending>
__device__ void waitForCopies() {
    asm volatile("cp.async.wait_group %0;" ::"n"(Pending) : "memory");
}

/// In order with the waits above, which the compiler does not know to be about these words.
__device__ inline uint4 loadShared(std::uint32_t from) {
    uint4 words;
    asm volatile("ld.shared.v4.u32 {%0, %1, %2, %3}, [%4];"
                 : "=r"(words.x), "=r"(words.y), "=r"(words.z), "=r"(words.w)
                 : "r"(from)
                 : "memory");
    return words;
}

} // namespace lathe::cuda
