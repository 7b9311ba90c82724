// SPDX-License-Identifier: Apache-2.0
#include "engine/models/quantized_size.h"

#include "engine/models/llama.h"
#include "engine/models/quantized_format.h"
#include "kernels/ops/lut_gemv/lut_gemv.h"

namespace lathe {

namespace {

constexpr std::size_t kHashDigits = 32;
/// The data begins at a multiple of 64 bytes.
constexpr std::int64_t kPadding = 63;

Json objectOf(const std::string& name, Json value) {
    Json object = Json::object();
    object[name] = std::move(value);
    return object;
}

std::int64_t lengthOf(const Json& json) { return static_cast<std::int64_t>(dumpJson(json).size()); }

/// An object inside of the record, which is itself a text.
std::int64_t lengthInRecord(const Json& json) { return lengthOf(dumpJson(json)); }

/// A tensor in the header, and its checksum in the record.
std::int64_t tensorBytes(const std::string& name, const Shape& shape, std::int64_t mostBytes) {
    Json extents = Json::array();
    for (const std::int64_t extent : shape.extents()) {
        extents.push_back(extent);
    }
    const Json entry{
        {"dtype", "BF16"}, {"shape", std::move(extents)}, {"data_offsets", {mostBytes, mostBytes}}};
    return lengthOf(objectOf(name, entry)) +
           lengthInRecord(objectOf(name, std::string(kHashDigits, 'f')));
}

bool isModuleWeight(const LlamaModel& model, const std::string& tensor) {
    for (const auto& [name, linear] : model.modules()) {
        if (tensor == name + ".weight") {
            return true;
        }
    }
    return false;
}

} // namespace

std::int64_t plainBytes(const LlamaModel& model) {
    std::int64_t bytes = model.weightBytes();
    for (const auto& [name, linear] : model.modules()) {
        bytes -= storedBytes(linear->weight);
    }
    return bytes;
}

std::int64_t quantizedFileBase(
    const LlamaModel& model, const Checkpoint& source, const Json& provenance,
    std::int64_t mostBytes) {
    const Json record{
        {"version", kQuantizedFormatVersion},
        {"modules", Json::object()},
        {"checksums", Json::object()}};
    const Json metadata{
        {"format", "pt"},
        {kFormatKey, dumpJson(record)},
        {kProvenanceKey, dumpJson(provenance)},
        {kRecordChecksumKey, std::string(kHashDigits, 'f')}};
    std::int64_t bytes = static_cast<std::int64_t>(sizeof(std::uint64_t)) + kPadding +
                         lengthOf(objectOf("__metadata__", metadata)) + plainBytes(model);
    for (const auto& [name, entry] : source.entries()) {
        if (!isModuleWeight(model, name)) {
            bytes += tensorBytes(name, entry.shape, mostBytes);
        }
    }
    return bytes;
}

std::int64_t
moduleHeaderBytes(const std::string& module, const LutShape& shape, std::int64_t mostBytes) {
    Json record{{"kind", "lut"}, {"bits", shape.bits}, {"group", 0}, {"in", shape.in}};
    const std::int64_t words = packedWords(shape.in, shape.bits);
    std::int64_t bytes =
        tensorBytes(module + ".packed", {shape.out, words}, mostBytes) +
        tensorBytes(module + ".table", {shape.out, std::int64_t{1} << shape.bits}, mostBytes);
    if (shape.sparseCount > 0) {
        record["sparse"] = shape.sparseCount;
        record["sparse_values"] = "F16";
        bytes += tensorBytes(module + ".row_pointers", {shape.out + 1}, mostBytes) +
                 tensorBytes(module + ".columns", {shape.sparseCount}, mostBytes) +
                 tensorBytes(module + ".values", {shape.sparseCount}, mostBytes);
    }
    return bytes + lengthInRecord(objectOf(module, record));
}

} // namespace lathe
