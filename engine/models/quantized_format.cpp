// SPDX-License-Identifier: Apache-2.0
#include "engine/models/quantized_format.h"

#include "engine/core/error.h"
#include "engine/core/hash.h"
#include "engine/models/config_reader.h"
#include "engine/models/reference_layout.h"
#include "engine/text/utf8.h"
#include "kernels/ops/spmv_csr/spmv_csr.h"

#include <limits>

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
    constexpr std::int64_t kMostValues = std::numeric_limits<std::int32_t>::max();
    format.sparseCount = reader.integer("sparse", 0, kMostValues, 0);
    if (format.sparseCount == 0) {
        return format;
    }
    if (format.kind != ModuleFormat::Kind::Lut || format.in > kMostSparseColumns) {
        throw Unsupported(
            where + ": only look-up tables of at most 65536 columns can have a sparse part");
    }
    const std::string values = reader.text("sparse_values", "F16");
    if (values == "F32") {
        format.sparseValues = DType::F32;
    } else if (values != "F16") {
        throw Unsupported(where + ": sparse values of type '" + printable(values) + "'");
    }
    return format;
}

const std::string&
metadataText(const Checkpoint& checkpoint, const std::string& key, const std::string& why) {
    const auto found = checkpoint.metadata().find(key);
    if (found == checkpoint.metadata().end()) {
        throw FormatError(
            checkpoint.path().string() + " " + key + ": the record is missing, although " + why);
    }
    return found->second;
}

void checkRecord(const Checkpoint& checkpoint, const std::string& format) {
    const std::string why = "its format has version 2";
    const std::string& provenance = metadataText(checkpoint, kProvenanceKey, why);
    if (metadataText(checkpoint, kRecordChecksumKey, why) != recordChecksum(format, provenance)) {
        throw FormatError(
            checkpoint.path().string() + " " + kRecordChecksumKey +
            ": the record of the quantization is not what was written; the file is damaged, "
            "export it again");
    }
}

std::map<std::string, std::string> checksumsOf(const ConfigReader& reader) {
    const Json* checksums = reader.find("checksums");
    if (checksums == nullptr || !checksums->is_object()) {
        throw FormatError(reader.where() + ": 'checksums' is missing or not an object");
    }
    std::map<std::string, std::string> result;
    for (const auto& [tensor, hash] : checksums->items()) {
        if (!hash.is_string()) {
            throw FormatError(
                reader.where() + ": the checksum of '" + printable(tensor) + "' is not text");
        }
        result.emplace(tensor, hash.get<std::string>());
    }
    return result;
}

} // namespace

QuantizedRecord quantizedRecord(const Checkpoint& checkpoint) {
    QuantizedRecord record;
    record.reference = isReferenceLayout(checkpoint);
    if (record.reference) {
        return record;
    }
    if (ConfigReader(checkpoint.config(), configName(checkpoint)).find("quantization_config") ==
        nullptr) {
        return record;
    }
    const std::string where = checkpoint.path().string() + " " + kFormatKey;
    const std::string& text =
        metadataText(checkpoint, kFormatKey, "config.json says that the weights are quantized");
    const Json json = parseJson(text, where);
    const ConfigReader reader(json, where);
    constexpr std::int64_t kMostVersion = std::int64_t{1} << 30;
    const std::int64_t version = reader.integer("version", 1, kMostVersion);
    if (version > kQuantizedFormatVersion) {
        throw Unsupported(
            where + ": version " + std::to_string(version) + " of the format; this program reads " +
            "1 to " + std::to_string(kQuantizedFormatVersion));
    }
    const Json* modules = reader.find("modules");
    if (modules == nullptr || !modules->is_object()) {
        throw FormatError(where + ": 'modules' is missing or not an object");
    }
    if (version >= 2) {
        checkRecord(checkpoint, text);
        record.checksums = checksumsOf(reader);
    }
    for (const auto& [name, entry] : modules->items()) {
        record.modules.emplace(name, moduleFormat(entry, where + " '" + printable(name) + "'"));
    }
    return record;
}

std::string recordChecksum(const std::string& format, const std::string& provenance) {
    return hashText(format + "\n" + provenance);
}

Json formatRecord(const Weight& weight) {
    if (const auto* lut = std::get_if<LutWeight>(&weight)) {
        Json record{{"kind", "lut"}, {"bits", lut->bits}, {"group", 0}, {"in", lut->in}};
        if (lut->sparse) {
            record["sparse"] = lut->sparse->values.shape()[0];
            record["sparse_values"] = nameOf(lut->sparse->values.dtype());
        }
        return record;
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
