// SPDX-License-Identifier: Apache-2.0
#include "kernels/cuda/cublas_api.h"

#include "engine/core/error.h"
#include "kernels/cuda/cuda_state.h"

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
constexpr int kPedanticMath = 2; // float32 products stay float32

struct Api {
    Status (*create)(Handle*) = nullptr;
    Status (*destroy)(Handle) = nullptr;
    Status (*setStream)(Handle, cudaStream_t) = nullptr;
    Status (*setMathMode)(Handle, int) = nullptr;
    Status (*getVersion)(Handle, int*) = nullptr;
    Status (*sgemm)(
        Handle, int, int, int, int, int, const float*, const float*, int, const float*, int,
        const float*, float*, int) = nullptr;
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
                       resolve(library, "cublasSgemm_v2", api.sgemm);
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
            if (api().setStream(handle, state.stream) == kSuccess &&
                api().setMathMode(handle, kPedanticMath) == kSuccess) {
                state.blas = handle;
            } else {
                api().destroy(handle);
            }
        }
    }
    return state.blas;
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
    const Status status = api().sgemm(
        handle, kOpT, kOpN, static_cast<int>(out), static_cast<int>(rows), static_cast<int>(in),
        &one, w, static_cast<int>(in), x, static_cast<int>(in), &zero, y,
        static_cast<int>(yStride));
    if (status != kSuccess) {
        throw DeviceError("cublasSgemm failed with status " + std::to_string(status));
    }
    return true;
}

const char* blasVersion() { return api().version.c_str(); }

void destroyBlas(void* handle) noexcept {
    if (handle != nullptr) {
        api().destroy(handle);
    }
}

} // namespace lathe::cuda
