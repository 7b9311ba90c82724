// SPDX-License-Identifier: Apache-2.0
#include "kernels/cuda/cublas_api.h"

#include "engine/core/error.h"
#include "kernels/cuda/cuda_check.h"

#include <dlfcn.h>

#include <array>
#include <string>

namespace lathe::cuda {

namespace {

// The few entry points that are used, declared here so that cuBLAS (hundreds of megabytes) is
// needed neither to build nor to start. Values are those of cublas_api.h.
using Handle = void*;
using Status = int;
constexpr Status kSuccess = 0;
constexpr int kOpN = 0;
constexpr int kOpT = 1;
constexpr int kDefaultMath = 0;  // tensor cores for F16, none for F32
constexpr int kPedanticMath = 2; // float32 products stay float32
constexpr int kTypeF32 = 0;      // CUDA_R_32F
constexpr int kTypeF16 = 2;      // CUDA_R_16F
constexpr int kComputeF32 = 68;  // CUBLAS_COMPUTE_32F
constexpr int kDefaultAlgorithm = -1;
/// What NVIDIA recommends for Hopper. Given once: cuBLAS would allocate within a captured graph.
constexpr std::size_t kWorkspaceBytes = std::size_t{32} << 20;

struct Api {
    Status (*create)(Handle*) = nullptr;
    Status (*destroy)(Handle) = nullptr;
    Status (*setStream)(Handle, cudaStream_t) = nullptr;
    Status (*setMathMode)(Handle, int) = nullptr;
    Status (*getVersion)(Handle, int*) = nullptr;
    Status (*sgemm)(
        Handle, int, int, int, int, int, const float*, const float*, int, const float*, int,
        const float*, float*, int) = nullptr;
    Status (*gemmEx)(
        Handle, int, int, int, int, int, const void*, const void*, int, int, const void*, int, int,
        const void*, void*, int, int, int, int) = nullptr;
    Status (*setWorkspace)(Handle, void*, std::size_t) = nullptr;
    std::string version = "none";
    bool complete = false;
};

template <class Function>
bool resolve(void* library, const char* name, Function& function) {
    function = reinterpret_cast<Function>(dlsym(library, name));
    return function != nullptr;
}

Api openLibrary() {
    Api api;
    static constexpr std::array<const char*, 4> kNames{
        "libcublas.so.13", "libcublas.so.12", "libcublas.so", "/usr/local/cuda/lib64/libcublas.so"};
    for (const char* name : kNames) {
        void* library = dlopen(name, RTLD_NOW | RTLD_LOCAL);
        if (library == nullptr) {
            continue;
        }
        api.complete = resolve(library, "cublasCreate_v2", api.create) &&
                       resolve(library, "cublasDestroy_v2", api.destroy) &&
                       resolve(library, "cublasSetStream_v2", api.setStream) &&
                       resolve(library, "cublasSetMathMode", api.setMathMode) &&
                       resolve(library, "cublasGetVersion_v2", api.getVersion) &&
                       resolve(library, "cublasSgemm_v2", api.sgemm) &&
                       resolve(library, "cublasGemmEx", api.gemmEx) &&
                       resolve(library, "cublasSetWorkspace_v2", api.setWorkspace);
        if (api.complete) {
            api.version = std::string("cuBLAS by ") + name;
            return api;
        }
    }
    return api;
}

const Api& api() {
    static const Api kApi = openLibrary(); // stays open for the life of the process
    return kApi;
}

Handle handleOf(ExecContext& context) {
    ExecContext::CudaState& state = *context.cuda();
    if (!state.blasTried) {
        state.blasTried = true;
        Handle handle = nullptr;
        if (api().complete && api().create(&handle) == kSuccess) {
            check(cudaMalloc(&state.blasMemory, kWorkspaceBytes), "cudaMalloc");
            if (api().setStream(handle, state.stream) == kSuccess &&
                api().setWorkspace(handle, state.blasMemory, kWorkspaceBytes) == kSuccess) {
                state.blas = handle;
            } else {
                api().destroy(handle);
            }
        }
    }
    return state.blas;
}

void require(Status status, const char* what) {
    if (status != kSuccess) {
        throw DeviceError(std::string(what) + " failed with status " + std::to_string(status));
    }
}

} // namespace

bool blasGemm(
    ExecContext& context, const float* x, const float* w, float* y, std::int64_t rows,
    std::int64_t in, std::int64_t out, std::int64_t yStride) {
    Handle handle = handleOf(context);
    if (handle == nullptr) {
        return false;
    }
    // cuBLAS is column-major: y^T [out, rows] = w [out, in] * x^T [in, rows].
    const float one = 1.0F;
    const float zero = 0.0F;
    require(api().setMathMode(handle, kPedanticMath), "cublasSetMathMode");
    const Status status = api().sgemm(
        handle, kOpT, kOpN, static_cast<int>(out), static_cast<int>(rows), static_cast<int>(in),
        &one, w, static_cast<int>(in), x, static_cast<int>(in), &zero, y,
        static_cast<int>(yStride));
    require(status, "cublasSgemm");
    return true;
}

void blasHalfGemm(
    ExecContext& context, const void* x, const void* w, float* y, std::int64_t rows,
    std::int64_t in, std::int64_t out, std::int64_t yStride) {
    Handle handle = handleOf(context);
    if (handle == nullptr) {
        throw Unsupported(
            "products in half precision need cuBLAS, which was not found; install it or choose "
            "Products::Float32");
    }
    const float one = 1.0F;
    const float zero = 0.0F;
    require(api().setMathMode(handle, kDefaultMath), "cublasSetMathMode");
    const Status status = api().gemmEx(
        handle, kOpT, kOpN, static_cast<int>(out), static_cast<int>(rows), static_cast<int>(in),
        &one, w, kTypeF16, static_cast<int>(in), x, kTypeF16, static_cast<int>(in), &zero, y,
        kTypeF32, static_cast<int>(yStride), kComputeF32, kDefaultAlgorithm);
    require(status, "cublasGemmEx");
}

const char* blasVersion() { return api().version.c_str(); }

void destroyBlas(ExecContext::CudaState& state) noexcept {
    if (state.blas != nullptr) {
        api().destroy(state.blas);
    }
    cudaFree(state.blasMemory);
}

} // namespace lathe::cuda
