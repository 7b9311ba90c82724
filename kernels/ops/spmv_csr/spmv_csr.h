// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "kernels/core/exec_context.h"
#include "kernels/core/tensor.h"

/// The sparse part of a "dense-and-sparse" matrix: few values, compressed row by row.
/// @see SqueezeLLM (arXiv 2306.07629) section 4.2.
namespace lathe {

class Arguments;

/// Most columns that 16 bits can name.
inline constexpr std::int64_t kMostSparseColumns = 65536;

/// A sparse matrix S [out, in]: row o holds values[i] at columns[i] for rowPointers[o] <= i <
/// rowPointers[o + 1]. What the pointers and columns say is trusted by the ops: whoever reads them
/// from a file calls `checkSparse` first.
struct SparseView {
    ConstView rowPointers; ///< [out + 1] I32, from 0 to count, never falling
    ConstView columns;     ///< [count] U16, each below `in`, ascending within a row
    ConstView values;      ///< [count] F16 | F32
};

/// @throws InputError unless the views can be a matrix with `in` columns.
void checkView(const Arguments& arguments, const SparseView& sparse, std::int64_t in);

/// y += x * S^T. The products of one result are added in a fixed order: equal inputs, equal bits.
struct SpmvCsr {
    ConstView x; ///< [rows, in] F32, in <= 65536
    SparseView sparse;
    TensorView y; ///< [rows, out] F32, updated
};
/// @throws InputError when shapes, dtypes or devices do not fit.
void run(ExecContext& context, const SpmvCsr& op);

/// w += S, rows [rowFrom, rowFrom + w.shape[0]) of the matrix.
struct AddSparse {
    SparseView sparse;
    std::int64_t rowFrom = 0;
    TensorView w; ///< [n, in] F32, or F16 and rounded to it; updated
};
void run(ExecContext& context, const AddSparse& op);

/// Whether pointers and columns (on the host) describe a matrix with `in` columns, its values being
/// finite.
/// @param name begins the message. @throws FormatError naming the row.
void checkSparse(const SparseView& sparse, std::int64_t in, const std::string& name);

} // namespace lathe
