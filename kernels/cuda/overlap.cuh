// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "kernels/cuda/cuda_check.h"
#include "kernels/cuda/cuda_state.h"

#include <cuda_runtime.h>

#include <array>
#include <type_traits>

/// Kernels that begin before the one in front has ended (programmatic dependent launch): what does
/// not depend on it, launching most of all, is then done already when it ends. A kernel launched
/// this way calls `waitForPrevious` in every block that goes on, before it touches what others
/// write; so when it has ended, all in front of it have. On GPUs without it nothing overlaps.
namespace lathe::cuda {

/// The next kernel may begin once every block has called this or has ended.
__device__ inline void letNextBegin() {
#if __CUDA_ARCH__ >= 900
    cudaTriggerProgrammaticLaunchCompletion();
#endif
}

/// Until the kernels in front have ended and what they wrote is there.
__device__ inline void waitForPrevious() {
#if __CUDA_ARCH__ >= 900
    cudaGridDependencySynchronize();
#endif
}

struct LaunchShape {
    dim3 grid{};
    unsigned threads = 1;
    unsigned cluster = 1;        ///< blocks along x that share their memory; above 1 on Hopper only
    std::size_t shared = 0;      ///< bytes of dynamic shared memory
    bool besideProducts = false; ///< stands between products with large shared memory
};

template <class... Parameters>
void launchOverlapped(
    ExecContext& context, const char* op, void (*kernel)(Parameters...), const LaunchShape& shape,
    std::type_identity_t<Parameters>... arguments) {
    cudaLaunchConfig_t config{};
    config.gridDim = shape.grid;
    config.blockDim = shape.threads;
    config.dynamicSmemBytes = shape.shared;
    config.stream = context.cuda()->stream;
    std::array<cudaLaunchAttribute, 2> attributes{};
    config.attrs = attributes.data();
    if (context.cuda()->overlaps) {
        cudaLaunchAttribute& overlap = attributes.at(config.numAttrs++);
        overlap.id = cudaLaunchAttributeProgrammaticStreamSerialization;
        overlap.val.programmaticStreamSerializationAllowed = 1;
    }
    if (shape.cluster > 1) {
        cudaLaunchAttribute& cluster = attributes.at(config.numAttrs++);
        cluster.id = cudaLaunchAttributeClusterDimension;
        cluster.val.clusterDim.x = shape.cluster;
        cluster.val.clusterDim.y = 1;
        cluster.val.clusterDim.z = 1;
    }
    if (shape.besideProducts) {
        preferShared(kernel);
    }
    check(cudaLaunchKernelEx(&config, kernel, arguments...), op);
    checkLaunch(context, op);
}

} // namespace lathe::cuda
