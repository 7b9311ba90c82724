// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "engine/io/checkpoint.h"
#include "engine/nn/weight.h"

#include <map>
#include <string>

/// The record of quantized modules in a safetensors file: `__metadata__` key "lathe.format" holds
/// {"version": 1, "modules": {"model.layers.0.mlp.up_proj": {"kind": "lut" | "group", "bits": 3,
/// "group": 0, "in": 256}}}; the tensors are <module>.packed (I32) with .table (F16), or with
/// .scale (F16) and .zero (U8).
namespace lathe {

inline constexpr int kQuantizedFormatVersion = 1;
inline constexpr const char* kFormatKey = "lathe.format";
inline constexpr const char* kProvenanceKey = "lathe.provenance";

struct ModuleFormat {
    enum class Kind { Lut, Group };
    Kind kind = Kind::Lut;
    int bits = 4;
    std::int64_t groupSize = 0; ///< 0: the whole row
    std::int64_t in = 0;
};

/// The quantized modules of a checkpoint; none when its config.json has no quantization_config.
/// @throws FormatError when the record is absent or damaged, Unsupported for another version.
std::map<std::string, ModuleFormat> quantizedModules(const Checkpoint& checkpoint);

/// What quantizedModules reads back; `weight` must not be dense.
Json formatRecord(const Weight& weight);

} // namespace lathe
