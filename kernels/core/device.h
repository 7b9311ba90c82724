// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace lathe {

/// Where memory lies and work runs.
struct Device {
    enum class Kind : std::uint8_t { Cpu, Cuda };
    Kind kind = Kind::Cpu;
    int index = 0;

    bool isCuda() const noexcept { return kind == Kind::Cuda; }
    bool operator==(const Device&) const = default;

    /// "cpu" or "cuda:0".
    std::string name() const;
    /// Reads auto, cpu, cuda or cuda:N; `auto` is the first usable GPU, else the CPU.
    /// @throws InputError for another text, DeviceError when that GPU is not there (says why).
    static Device parse(std::string_view text);
};

/// Which set of kernels runs, worst to best.
enum class Target : std::uint8_t { Scalar, Avx2, Avx512, Cuda };

std::string_view nameOf(Target target);
/// @throws InputError for an unknown name.
Target targetFromName(std::string_view name);
/// Can this processor (or, for Cuda, this build and machine) run that target?
bool isAvailable(Target target);
/// Every target that can run here, scalar first.
std::vector<Target> availableTargets();
/// The best CPU target, or Cuda for a GPU; LATHE_TARGET, when set, overrides the CPU choice.
/// @throws DeviceError when LATHE_TARGET names a target that is not available.
Target bestTarget(Device device);

/// What the machine has, for the status bar and the run record.
struct DeviceInfo {
    Device device;
    std::string title;           ///< "AMD EPYC 9V74" or "NVIDIA H200"
    std::int64_t totalBytes = 0; ///< memory
    std::int64_t freeBytes = 0;
    std::string driver; ///< GPU: driver and runtime versions
    std::string note;   ///< CPU: why no GPU serves; else empty
};

DeviceInfo deviceInfo(Device device);
/// Usable GPUs; when none, `whyNot` says why ("built without CUDA", "no NVIDIA driver").
int cudaDeviceCount(std::string* whyNot = nullptr);

} // namespace lathe
