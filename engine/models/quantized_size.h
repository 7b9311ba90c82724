// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "engine/core/json.h"
#include "engine/io/checkpoint.h"

#include <cstdint>
#include <string>

/// How large the weight file of saveQuantized becomes in its own layout, before anything is
/// quantized: bounds that are a few bytes per tensor above the truth. Their sum over all modules is
/// that of the file.
namespace lathe {

class LlamaModel;

/// Stored bytes of what is not quantized: embedding, head, norms and biases.
std::int64_t plainBytes(const LlamaModel& model);

/// Everything of the file but what its quantized modules add.
/// @param mostBytes no offset in the file is larger
std::int64_t quantizedFileBase(
    const LlamaModel& model, const Checkpoint& source, const Json& provenance,
    std::int64_t mostBytes);

/// A module with tables as it is stored.
struct LutShape {
    std::int64_t out = 0, in = 0;
    int bits = 4;
    std::int64_t sparseCount = 0;
};
/// What a module adds to the header: the entries of its tensors, its record and its checksums.
std::int64_t
moduleHeaderBytes(const std::string& module, const LutShape& shape, std::int64_t mostBytes);

} // namespace lathe
