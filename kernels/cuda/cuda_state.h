// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "kernels/core/exec_context.h"

#include <cuda_runtime_api.h>

namespace lathe {

/// The CUDA side of an ExecContext: one stream, and cuBLAS when it was needed and found.
struct ExecContext::CudaState {
    int device = 0;
    cudaStream_t stream = nullptr;
    void* blas = nullptr; ///< cublasHandle_t, made at first use
    bool blasTried = false;
    void* blasMemory = nullptr; ///< its workspace on the device
    /// Memory of the host to which kernels write small results, of kStagingBytes.
    void* staging = nullptr;
    static constexpr std::size_t kStagingBytes = 8192;
    int multiprocessors = 0;
    int mostShared = 0;       ///< bytes of shared memory that a block may have
    bool overlaps = false;    ///< kernels may begin before the one in front has ended
    bool syncEveryOp = false; ///< LATHE_CUDA_SYNC=1
};

} // namespace lathe
