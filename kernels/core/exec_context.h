// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "kernels/core/arena.h"
#include "kernels/core/device.h"
#include "kernels/core/thread_pool.h"

#include <memory>
#include <optional>

namespace lathe {

/// How precise the products of many rows are (more than eight, where the bytes of a weight no
/// longer matter).
enum class Products {
    Float32, ///< as precise as sums in single precision are
    Half     ///< with F16 and look-up weights: x is rounded to F16 (beyond 65504 to infinity), so
             ///< are weights with sparse parts; sums in F32. Other weights as in Float32
};

struct ExecOptions {
    std::optional<Target> target{}; ///< none: the best one of the device
    int threads = 0;                ///< CPU pool; 0: one per core
    Products products = Products::Float32;
};

/// Everything an op needs to run: device, kernel set, stream, scratch memory, threads. One per
/// worker thread; there is no "current device" anywhere.
class ExecContext {
public:
    /// @throws DeviceError for a device or target that is not there, Unsupported for products in
    /// half precision on a CPU; never falls back.
    explicit ExecContext(Device device, ExecOptions options = {});
    ~ExecContext();
    ExecContext(const ExecContext&) = delete;
    ExecContext& operator=(const ExecContext&) = delete;

    Device device() const noexcept { return m_device; }
    Target target() const noexcept { return m_target; }
    Products products() const noexcept { return m_products; }
    /// Bump memory on `device()` for the span of an Arena::Scope.
    Arena& scratch() noexcept { return *m_scratch; }
    ThreadPool& pool() noexcept { return *m_pool; }
    /// Waits for the device. @throws DeviceError for any error since the last call.
    void synchronize();

    /// CUDA stream and library handles; null on the CPU. Only kernels/ looks inside.
    struct CudaState;
    CudaState* cuda() noexcept { return m_cuda.get(); }

private:
    struct CudaDeleter {
        void operator()(CudaState* state) const noexcept;
    };
    Device m_device;
    Target m_target;
    Products m_products;
    std::unique_ptr<ThreadPool> m_pool;
    std::unique_ptr<CudaState, CudaDeleter> m_cuda;
    std::unique_ptr<Arena> m_scratch;
};

} // namespace lathe
