// SPDX-License-Identifier: Apache-2.0
#include "engine/models/quantized_format.h"

#include "engine/core/error.h"
#include "engine/models/config_reader.h"
#include "engine/text/utf8.h"

namespace lathe {

namespace {

constexpr std::int64_t kMaxIn = std::int64_t{1} << 20;

ModuleFormat moduleFormat(const Json& record, const std::string& where) {
    const ConfigReader reader(record, where);
    ModuleFormat format;
    const std::string kind = reader.text("kind", "");
    if (kind == "group") {
        format.kind = ModuleFormat::Kind::Group;
    } else if (kind != "lut") {
        throw Unsupported(where + ": the weight format '" + printable(kind) + "' is not known");
    }
    format.bits = static_cast<int>(reader.integer("bits", 1, 8));
    format.groupSize = reader.integer("group", 0, kMaxIn, 0);
    format.in = reader.integer("in", 1, kMaxIn);
    return format;
}

} // namespace

std::map<std::string, ModuleFormat> quantizedModules(const Checkpoint& checkpoint) {
    if (ConfigReader(checkpoint.config(), configName(checkpoint)).find("quantization_config") ==
        nullptr) {
        return {};
    }
    const std::string where = checkpoint.path().string() + " " + kFormatKey;
    const auto found = checkpoint.metadata().find(kFormatKey);
    if (found == checkpoint.metadata().end()) {
        throw FormatError(
            where + ": the record is missing, although config.json says that the weights are "
                    "quantized");
    }
    const Json record = parseJson(found->second, where);
    const ConfigReader reader(record, where);
    constexpr std::int64_t kMostVersion = std::int64_t{1} << 30;
    const std::int64_t version = reader.integer("version", 1, kMostVersion);
    if (version != kQuantizedFormatVersion) {
        throw Unsupported(
            where + ": version " + std::to_string(version) + " of the format; this program reads " +
            std::to_string(kQuantizedFormatVersion));
    }
    const Json* modules = reader.find("modules");
    if (modules == nullptr || !modules->is_object()) {
        throw FormatError(where + ": 'modules' is missing or not an object");
    }
    std::map<std::string, ModuleFormat> formats;
    for (const auto& [name, entry] : modules->items()) {
        formats.emplace(name, moduleFormat(entry, where + " '" + printable(name) + "'"));
    }
    return formats;
}

Json formatRecord(const Weight& weight) {
    if (const auto* lut = std::get_if<LutWeight>(&weight)) {
        return {{"kind", "lut"}, {"bits", lut->bits}, {"group", 0}, {"in", lut->in}};
    }
    if (const auto* group = std::get_if<GroupWeight>(&weight)) {
        return {
            {"kind", "group"},
            {"bits", group->bits},
            {"group", group->groupSize},
            {"in", group->in}};
    }
    throw InternalError("a dense weight has no record of its quantization");
}

} // namespace lathe
