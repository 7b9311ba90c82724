// SPDX-License-Identifier: Apache-2.0
#include "experiments/runner.h"

#include <array>
#include <clocale>
#include <cstdlib>
#include <fstream>
#include <sched.h>
#include <sys/utsname.h>

/// What a number was measured with: stored with every run, shown in the status bar.
namespace lathe {

namespace {

/// The value behind `key` in a file of lines like `key : value` or `KEY="value"`.
std::string lineValue(const char* file, std::string_view key, char separator) {
    std::ifstream in(file);
    for (std::string line; std::getline(in, line);) {
        const auto cut = line.find(separator);
        if (!line.starts_with(key) || cut == std::string::npos) {
            continue;
        }
        const auto from = line.find_first_not_of(" \t\"", cut + 1);
        const auto to = line.find_last_not_of(" \t\"");
        return from == std::string::npos ? std::string() : line.substr(from, to - from + 1);
    }
    return {};
}

int usableCores() {
    cpu_set_t cores;
    CPU_ZERO(&cores);
    return sched_getaffinity(0, sizeof cores, &cores) == 0 ? CPU_COUNT(&cores) : 0;
}

Json relevantVariables() {
    static constexpr std::array kNames{
        "LATHE_TARGET",
        "LATHE_CUDA_SYNC",
        "LATHE_RESOURCES",
        "HF_HOME",
        "CUDA_VISIBLE_DEVICES",
        "NVIDIA_TF32_OVERRIDE",
        "OMP_NUM_THREADS",
        "DNNL_MAX_CPU_ISA",
        "LANG",
        "LC_ALL",
        "LC_NUMERIC"};
    Json variables = Json::object();
    for (const char* name : kNames) {
        if (const char* value = std::getenv(name)) {
            variables[name] = validUtf8(value);
        }
    }
    return variables;
}

Json targetNames() {
    Json names = Json::array();
    for (const Target target : availableTargets()) {
        names.push_back(std::string(nameOf(target)));
    }
    return names;
}

std::string deviceTitle(ExecContext& context, const DeviceInfo& info) {
    if (context.device().isCuda()) {
        return info.title;
    }
    return "CPU: " + info.title + ", " + std::string(nameOf(context.target())) + ", " +
           std::to_string(context.pool().threadCount()) + " threads";
}

} // namespace

std::string buildId() { return LATHE_VERSION " (" LATHE_GIT_REVISION ")"; }

Json captureEnvironment(ExecContext& context) {
    const DeviceInfo cpu = deviceInfo(Device{});
    utsname system{};
    uname(&system);
    const char* locale = std::setlocale(LC_ALL, nullptr);
    Json record{
        {"build", buildId()},
        {"git_revision", LATHE_GIT_REVISION},
        {"build_type", LATHE_BUILD_TYPE},
        {"compiler", LATHE_COMPILER},
        {"libraries", LATHE_LIBRARIES},
        {"device", context.device().name()},
        {"target", std::string(nameOf(context.target()))},
        {"targets", targetNames()},
        {"threads", context.pool().threadCount()},
        {"cpu", cpu.title},
        {"cores", usableCores()},
        {"memory_bytes", cpu.totalBytes},
        {"kernel", std::string(system.sysname) + " " + system.release + " " + system.machine},
        {"distribution", lineValue("/etc/os-release", "PRETTY_NAME", '=')},
        {"microcode", lineValue("/proc/cpuinfo", "microcode", ':')},
        {"locale", locale != nullptr ? validUtf8(locale) : std::string()},
        {"variables", relevantVariables()}};
    if (context.device().isCuda()) {
        const DeviceInfo gpu = deviceInfo(context.device());
        record["gpu"] = gpu.title;
        record["gpu_memory_bytes"] = gpu.totalBytes;
        record["driver"] = gpu.driver;
    } else if (!cpu.note.empty()) {
        record["gpu_note"] = cpu.note;
    }
    return record;
}

EngineInfo describeEngine() {
    EngineInfo engine;
    engine.build = buildId();
    ExecContext context(Device::parse("auto"));
    const DeviceInfo info = deviceInfo(context.device());
    engine.device = deviceTitle(context, info);
    engine.deviceNote = context.device().isCuda() ? std::string() : info.note;
    for (const auto& study : studies().all()) {
        engine.studies.push_back(study->info());
    }
    engine.models = listModels();
    engine.environment = captureEnvironment(context);
    return engine;
}

} // namespace lathe
