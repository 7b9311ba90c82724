// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "engine/core/spec.h"
#include "engine/io/checkpoint.h"

#include <map>
#include <string>
#include <vector>

/// The cells of a quantization sweep.
namespace lathe {

/// The method of a sweep's first cell.
inline constexpr const char* kFloatMethod = "float";

/// What the cells need to know of the models that a Spec names.
struct SweepFacts {
    int floatBits = 16;                 ///< of the float model's matrices as stored
    std::vector<std::string> modules{}; ///< its block matrices, in order
    /// Whole average bits of the files named by methods such as "gguf:FILE": 4 of Q4_K's 4.5.
    std::map<std::string, int> fileBits{};
};

/// Looks at the headers of the model and of the files.
/// @throws InputError when the model is quantized already or of another kind, a file is no .gguf
/// file, or `tensors` names no matrix.
SweepFacts sweepFacts(const Spec& spec);

/// One cell of method `float` first, then method x bits x group x sparsity in the order of the
/// Spec, without the cells of `skip`; one per matrix when `tensors` is "each". `group` becomes a
/// number (none is 0). Parameters that a method does not use are 0, so it gets one cell for all
/// their values. `kmeans_baseline` says whether plain k-means of the same matrices and bits is
/// among the cells, to be compared with.
/// @throws InputError when more weights are to be sensitive than leave the tables.
std::vector<Json> sweepCells(const Spec& spec, const SweepFacts& facts);

/// The values of an axis, or the one fixed value.
std::vector<Json> axisValues(const Spec& spec, const std::string& name);

/// Bits per weight of a checkpoint's block matrices as its file stores them.
double storedAverageBits(const Checkpoint& checkpoint);

/// The file of a method such as "gguf:FILE"; empty for other methods.
std::string sweepFile(const std::string& method);

} // namespace lathe
