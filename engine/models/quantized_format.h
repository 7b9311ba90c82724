// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "engine/io/checkpoint.h"
#include "engine/nn/weight.h"

#include <map>
#include <string>

/// The record of quantized modules in a safetensors file: `__metadata__` key "lathe.format" holds
/// {"version": 2, "modules": {"model.layers.0.mlp.up_proj": {"kind": "lut" | "group", "bits": 3,
/// "group": 0, "in": 256, "sparse": 12, "sparse_values": "F16"}}, "checksums": {tensor: XXH3-128}}.
/// The tensors of a module are <module>.packed (I32, rows of little-endian bit streams) with .table
/// (F16), or with .scale (F16) and .zero (U8); a sparse part adds .row_pointers (I32), .columns
/// (U16) and .values (F16 or F32). "lathe.checksum" is the hash of the record and the provenance.
/// Version 1 had neither sparse parts nor checksums. See docs/formats.md.
namespace lathe {

inline constexpr int kQuantizedFormatVersion = 2;
inline constexpr const char* kFormatKey = "lathe.format";
inline constexpr const char* kProvenanceKey = "lathe.provenance";
inline constexpr const char* kRecordChecksumKey = "lathe.checksum";

struct ModuleFormat {
    enum class Kind { Lut, Group };
    Kind kind = Kind::Lut;
    int bits = 4;
    std::int64_t groupSize = 0; ///< 0: the whole row
    std::int64_t in = 0;
    std::int64_t sparseCount = 0; ///< values beside the tables; 0: no sparse part
    DType sparseValues = DType::F16;
};

struct QuantizedRecord {
    std::map<std::string, ModuleFormat> modules;
    std::map<std::string, std::string> checksums; ///< by tensor; empty in version 1
    bool reference = false; ///< SqueezeLLM's own layout (reference_layout.h): shapes say it all
};

/// The record of a checkpoint; empty when its config.json has no quantization_config or the layout
/// is SqueezeLLM's own.
/// @throws FormatError when the record is absent or damaged, Unsupported for another version.
QuantizedRecord quantizedRecord(const Checkpoint& checkpoint);

/// The entry of a module that quantizedRecord reads back; `weight` must not be dense.
Json formatRecord(const Weight& weight);
/// The value of "lathe.checksum".
std::string recordChecksum(const std::string& format, const std::string& provenance);

} // namespace lathe
