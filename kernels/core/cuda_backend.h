// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "kernels/core/captured_graph.h"
#include "kernels/core/device.h"
#include "kernels/core/exec_context.h"
#include "kernels/core/tensor.h"

#include <functional>
#include <memory>
#include <span>
#include <string>

/// What kernels/core asks of the CUDA part. Defined in kernels/cuda/ when the CUDA target is
/// compiled, else in kernels/core/no_cuda.cpp, where there is no device and everything else throws
/// DeviceError.
namespace lathe::cuda {

int deviceCount(std::string* whyNot);
DeviceInfo deviceInfo(int index);
std::shared_ptr<Storage> allocate(std::size_t bytes, int index);
ExecContext::CudaState* makeState(int index);
void destroyState(ExecContext::CudaState* state) noexcept;
void synchronize(ExecContext::CudaState& state);
/// Copies between host and device or within a device, on the context's stream.
void copy(ExecContext& context, ConstView from, TensorView to);
void fillZero(ExecContext& context, TensorView view);
/// Writes a few integers that travel with the launch: nothing is waited for.
void put(ExecContext& context, std::span<const std::int32_t> values, TensorView to);
bool canCapture(const ExecContext::CudaState& state);
std::unique_ptr<CapturedGraph> capture(ExecContext& context, const std::function<void()>& body);
std::unique_ptr<CapturedGraph> captureLoop(
    ExecContext& context, const std::function<void()>& first, const std::function<void()>& again,
    ConstView go);
/// Microseconds of one call of `body`, as the slope over `launches` calls captured in one graph.
double timeLaunches(ExecContext& context, int launches, const std::function<void(int)>& body);
/// Bytes of the level-2 cache: benchmarks rotate their buffers beyond it.
std::size_t cacheBytes(int index);

} // namespace lathe::cuda
