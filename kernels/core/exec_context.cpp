// SPDX-License-Identifier: Apache-2.0
#include "kernels/core/exec_context.h"

#include "engine/core/error.h"
#include "kernels/core/cuda_backend.h"

#include <string>

namespace lathe {

namespace {

Target chosenTarget(Device device, const ExecOptions& options) {
    if (!options.target.has_value()) {
        return bestTarget(device);
    }
    const Target target = *options.target;
    if (device.isCuda() != (target == Target::Cuda)) {
        throw DeviceError(
            "the target " + std::string(nameOf(target)) + " does not run on " + device.name());
    }
    if (!isAvailable(target)) {
        throw DeviceError(
            "the target " + std::string(nameOf(target)) + " is not available on this machine");
    }
    return target;
}

Products supportedProducts(Device device, Products products) {
    if (products == Products::Half && !device.isCuda()) {
        throw Unsupported(
            "products in half precision: " + device.name() +
            " multiplies in single precision only; choose a GPU or Products::Float32");
    }
    return products;
}

} // namespace

ExecContext::ExecContext(Device device, ExecOptions options)
    : m_device(device), m_target(chosenTarget(device, options)),
      m_products(supportedProducts(device, options.products)),
      m_pool(std::make_unique<ThreadPool>(options.threads)) {
    if (device.isCuda()) {
        m_cuda.reset(cuda::makeState(device.index));
    }
    m_scratch = std::make_unique<Arena>(device);
}

ExecContext::~ExecContext() = default;

void ExecContext::synchronize() {
    if (m_cuda != nullptr) {
        cuda::synchronize(*m_cuda);
    }
}

void ExecContext::CudaDeleter::operator()(CudaState* state) const noexcept {
    cuda::destroyState(state);
}

} // namespace lathe
