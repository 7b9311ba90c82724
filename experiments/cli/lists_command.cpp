// SPDX-License-Identifier: Apache-2.0
#include "experiments/cli/commands.h"
#include "experiments/cli/text_table.h"
#include "experiments/model_cache.h"
#include "kernels/core/device.h"

#include <cstdio>
#include <fmt/format.h>

namespace lathe {

namespace {

constexpr double kMillion = 1e6;
constexpr double kGigabyte = 1e9;

Json deviceJson(const DeviceInfo& info) {
    Json targets = Json::array();
    for (const Target target : availableTargets()) {
        if ((target == Target::Cuda) == info.device.isCuda()) {
            targets.push_back(nameOf(target));
        }
    }
    return {{"device", info.device.name()},    {"title", info.title},
            {"memory_bytes", info.totalBytes}, {"free_bytes", info.freeBytes},
            {"driver", info.driver},           {"note", info.note},
            {"targets", std::move(targets)}};
}

} // namespace

int modelsCommand(const JsonOutput& json) {
    TextTable table({"Name", "Kind", "Parameters", "MB", "Source", "Title or problem"});
    for (const ModelInfo& model : listModels()) {
        if (json) {
            json.writeLine(toJson(model));
        }
        table.add(
            {model.name, model.architecture,
             fmt::format("{:.1f} M", static_cast<double>(model.parameters) / kMillion),
             fmt::format("{:.1f}", static_cast<double>(model.bytes) / kMillion), model.source,
             model.problem.empty() ? model.title : model.problem});
    }
    if (!json.ownsStandardOutput()) {
        std::fputs(table.text().c_str(), stdout);
        std::fputs(
            "A folder of Hugging Face files or a .gguf file can be named as well.\n", stdout);
    }
    return 0;
}

int devicesCommand(const JsonOutput& json) {
    std::vector<DeviceInfo> devices{deviceInfo(Device{})};
    for (int i = 0; i < cudaDeviceCount(); ++i) {
        devices.push_back(deviceInfo(Device{Device::Kind::Cuda, i}));
    }
    TextTable table({"Device", "Title", "Memory", "Targets", "Note"});
    for (const DeviceInfo& info : devices) {
        const Json record = deviceJson(info);
        if (json) {
            json.writeLine(record);
        }
        std::string targets;
        for (const Json& target : record.at("targets")) {
            targets += (targets.empty() ? "" : ", ") + target.get<std::string>();
        }
        table.add(
            {info.device.name(), info.title,
             fmt::format("{:.1f} GB", static_cast<double>(info.totalBytes) / kGigabyte), targets,
             info.device.isCuda() ? info.driver : info.note});
    }
    if (!json.ownsStandardOutput()) {
        std::fputs(table.text().c_str(), stdout);
    }
    return 0;
}

} // namespace lathe
