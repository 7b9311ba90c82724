// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "engine/io/checkpoint.h"
#include "engine/nn/weight.h"

#include <cstdint>
#include <string>

/// Look-up weights as SqueezeLLM's own programs lay them out ("reference" layout), so that models
/// are exchanged with them: see docs/formats.md. Codes and sparse parts are the same bits in
/// another order; tables and sparse values are F32 there.
/// @see SqueezeLLM (arXiv 2306.07629) and the code published with it.
namespace lathe {

/// "quant_method" of a config.json whose weights have this layout.
inline constexpr const char* kReferenceMethod = "squeezellm";

/// The tensors of one module on the host; null: not there.
struct ReferenceModule {
    Tensor qweight;        ///< [ceil(in / 32) * bits, out] I32, word-row major
    Tensor lookupTable;    ///< [out, 2^bits] F32
    Tensor rows;           ///< [out + 1] I32: where the rows of the sparse part begin
    Tensor cols;           ///< [count] I32
    Tensor vals;           ///< [count] F32
    Tensor fullRows;       ///< [in, n] F32: more of the sparse part, output rows stored whole
    Tensor fullRowIndices; ///< [n] I32: which ones
};

/// What reading changed: tables are F32 in the files and F16 in memory.
struct TableRounding {
    std::int64_t entries = 0; ///< table entries that no F16 equals
    double largest = 0.0;     ///< largest change, relative to the largest entry of its row
};

/// Words that hold the codes of one output row, whole blocks of 32 codes.
constexpr std::int64_t referenceWords(std::int64_t in, int bits) { return (in + 31) / 32 * bits; }

/// Whether config.json names this layout or, where it says nothing of a quantization, a module has
/// its tensors.
bool isReferenceLayout(const Checkpoint& checkpoint);

/// The weight, which is on the host, in this layout; no full rows are made.
ReferenceModule toReference(const LutWeight& weight);

/// Back again, on the host. Columns are sorted within their rows, full rows (their zeros left out)
/// join the others, and sparse values become F16 if that holds all of them. What toReference made
/// comes back bit for bit.
/// @param module has the shapes above, `fullRows` only with `fullRowIndices`, `rows`, `cols` and
///        `vals` only together; its values are not trusted.
/// @param name begins messages: path and module. `rounding` is added to.
/// @throws FormatError naming the tensor: codes beyond the inputs, entries that F16 cannot hold at
///         all, rows that do not ascend, columns out of range or named twice in a row; Unsupported
///         for a sparse part of more than 65536 columns.
LutWeight fromReference(
    const ReferenceModule& module, std::int64_t in, const std::string& name,
    TableRounding& rounding);

} // namespace lathe
