// SPDX-License-Identifier: Apache-2.0
#include "kernels/core/device.h"

#include "engine/core/error.h"
#include "kernels/core/cuda_backend.h"

#include <array>
#include <charconv>
#include <cstdlib>
#include <fstream>
#include <optional>
#include <utility>

#include <cpuid.h>
#include <unistd.h>

namespace lathe {

namespace {

constexpr std::array<std::pair<Target, std::string_view>, 4> kTargets{{
    {Target::Scalar, "scalar"},
    {Target::Avx2, "avx2"},
    {Target::Avx512, "avx512"},
    {Target::Cuda, "cuda"},
}};

/// LATHE_TARGET, checked; nothing when it is unset or empty.
std::optional<Target> forcedTarget() {
    const char* name = std::getenv("LATHE_TARGET");
    if (name == nullptr || *name == '\0') {
        return std::nullopt;
    }
    const Target target = targetFromName(name);
    if (!isAvailable(target)) {
        throw DeviceError(
            "LATHE_TARGET=" + std::string(name) + ", but this target is not available here; " +
            "unset it or give one of those that are (lathe-run devices)");
    }
    return target;
}

Device cudaDevice(std::string_view text, std::string_view index) {
    int number = 0;
    const auto [end, error] = std::from_chars(index.data(), index.data() + index.size(), number);
    if (error != std::errc{} || end != index.data() + index.size() || number < 0) {
        throw InputError(
            "device '" + std::string(text) + "' is not one of auto, cpu, cuda, cuda:N");
    }
    std::string whyNot;
    const int count = cudaDeviceCount(&whyNot);
    if (number >= count) {
        throw DeviceError(
            "device '" + std::string(text) + "' is not there: " +
            (count == 0 ? whyNot : "there are " + std::to_string(count) + " GPUs, from cuda:0"));
    }
    return {Device::Kind::Cuda, number};
}

/// The value behind the first line that starts with `key` and a colon.
std::string procValue(const char* file, std::string_view key) {
    std::ifstream in(file);
    std::string line;
    while (std::getline(in, line)) {
        const std::size_t colon = line.find(':');
        if (line.starts_with(key) && colon != std::string::npos) {
            const std::size_t start = line.find_first_not_of(" \t", colon + 1);
            return start == std::string::npos ? std::string() : line.substr(start);
        }
    }
    return {};
}

DeviceInfo cpuInfo() {
    DeviceInfo info;
    info.title = procValue("/proc/cpuinfo", "model name");
    if (info.title.empty()) {
        info.title = "CPU";
    }
    info.totalBytes = std::int64_t{sysconf(_SC_PHYS_PAGES)} * sysconf(_SC_PAGESIZE);
    const std::string available = procValue("/proc/meminfo", "MemAvailable");
    std::int64_t kibibytes = 0;
    std::from_chars(available.data(), available.data() + available.size(), kibibytes);
    info.freeBytes = kibibytes * 1024;
    std::string whyNot;
    if (cudaDeviceCount(&whyNot) == 0) {
        info.note = whyNot;
    }
    return info;
}

/// Clang 16 has no name for it in __builtin_cpu_supports.
bool hasF16c() {
    unsigned eax = 0, ebx = 0, ecx = 0, edx = 0;
    return __get_cpuid(1, &eax, &ebx, &ecx, &edx) != 0 && (ecx & bit_F16C) != 0;
}

} // namespace

std::string Device::name() const {
    return kind == Kind::Cpu ? "cpu" : "cuda:" + std::to_string(index);
}

Device Device::parse(std::string_view text) {
    if (text == "cpu") {
        return {};
    }
    if (text == "auto") {
        // Whoever forces a CPU target means the CPU.
        const std::optional<Target> forced = forcedTarget();
        const bool wantsCpu = forced.has_value() && *forced != Target::Cuda;
        return wantsCpu || cudaDeviceCount() == 0 ? Device{} : Device{Kind::Cuda, 0};
    }
    if (text == "cuda") {
        return cudaDevice(text, "0");
    }
    constexpr std::string_view kPrefix = "cuda:";
    return cudaDevice(text, text.starts_with(kPrefix) ? text.substr(kPrefix.size()) : "");
}

std::string_view nameOf(Target target) { return kTargets[static_cast<std::size_t>(target)].second; }

Target targetFromName(std::string_view name) {
    for (const auto& [target, known] : kTargets) {
        if (known == name) {
            return target;
        }
    }
    throw InputError("target '" + std::string(name) + "' is not one of scalar, avx2, avx512, cuda");
}

bool isAvailable(Target target) {
    switch (target) {
    case Target::Scalar:
        return true;
    case Target::Avx2:
        return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && hasF16c();
    case Target::Avx512:
        return isAvailable(Target::Avx2) && __builtin_cpu_supports("avx512f") &&
               __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl") &&
               __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vnni");
    case Target::Cuda:
        return cudaDeviceCount() > 0;
    }
    return false;
}

std::vector<Target> availableTargets() {
    std::vector<Target> out;
    for (const auto& [target, name] : kTargets) {
        if (isAvailable(target)) {
            out.push_back(target);
        }
    }
    return out;
}

Target bestTarget(Device device) {
    if (device.isCuda()) {
        return Target::Cuda;
    }
    if (const std::optional<Target> forced = forcedTarget()) {
        if (*forced == Target::Cuda) {
            throw DeviceError("LATHE_TARGET=cuda, but the device is cpu; use the device cuda");
        }
        return *forced;
    }
    for (const Target target : {Target::Avx512, Target::Avx2}) {
        if (isAvailable(target)) {
            return target;
        }
    }
    return Target::Scalar;
}

DeviceInfo deviceInfo(Device device) {
    return device.isCuda() ? cuda::deviceInfo(device.index) : cpuInfo();
}

int cudaDeviceCount(std::string* whyNot) { return cuda::deviceCount(whyNot); }

} // namespace lathe
