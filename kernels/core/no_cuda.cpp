// SPDX-License-Identifier: Apache-2.0
// The CUDA part of a build without CUDA: no device, and everything that needs one says why.
#include "kernels/core/cuda_backend.h"

#include "engine/core/error.h"

namespace lathe::cuda {

namespace {

constexpr const char* kWhyNot = "built without CUDA";

[[noreturn]] void refuse() { throw DeviceError(std::string("cuda: ") + kWhyNot); }

} // namespace

int deviceCount(std::string* whyNot) {
    if (whyNot != nullptr) {
        *whyNot = kWhyNot;
    }
    return 0;
}

DeviceInfo deviceInfo(int) { refuse(); }
std::shared_ptr<Storage> allocate(std::size_t, int) { refuse(); }
ExecContext::CudaState* makeState(int) { refuse(); }
void destroyState(ExecContext::CudaState*) noexcept {}
void synchronize(ExecContext::CudaState&) { refuse(); }
void copy(ExecContext&, ConstView, TensorView) { refuse(); }
void fillZero(ExecContext&, TensorView) { refuse(); }
void put(ExecContext&, std::span<const std::int32_t>, TensorView) { refuse(); }
bool canCapture(const ExecContext::CudaState&) { return false; }
std::unique_ptr<CapturedGraph> capture(ExecContext&, const std::function<void()>&) { refuse(); }
std::unique_ptr<CapturedGraph>
captureLoop(ExecContext&, const std::function<void()>&, const std::function<void()>&, ConstView) {
    refuse();
}
double timeLaunches(ExecContext&, int, const std::function<void(int)>&) { refuse(); }
std::size_t cacheBytes(int) { refuse(); }

} // namespace lathe::cuda
