// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "kernels/core/exec_context.h"
#include "kernels/core/tensor.h"
#include "kernels/ops/spmv_csr/spmv_csr.h"

#include <cstdint>
#include <optional>
#include <string>
#include <variant>

/// How the bits of a matrix lie in memory: a closed set (the compiler lists every place to extend),
/// kept apart from how they are chosen (Quantizer, an open registry).
namespace lathe {

struct DenseWeight {
    Tensor w; ///< [out, in] F32 | F16 | BF16
};
struct GroupWeight {
    Tensor packed; ///< [out, words] I32, see lut_gemv.h
    Tensor scale;  ///< [out, groups] F16
    Tensor zero;   ///< [out, groups] U8
    int bits = 4;
    std::int64_t groupSize = 0; ///< 0: the whole row
    std::int64_t in = 0;
};
/// The same codes and tables once more as a GPU multiplies one row by them, see plane_gemv.h.
struct LutPlanes {
    Tensor words;                   ///< [tiles, steps, bits, 32, 4] I32
    Tensor coefficients;            ///< [8 * tiles, 2^bits] F32
    std::optional<Tensor> shares{}; ///< where sparse rows ask for it, see planeShares
};
/// What is added to the values of the tables at a few places ("dense-and-sparse"), row by row.
struct SparseRows {
    Tensor rowPointers; ///< [out + 1] I32
    Tensor columns;     ///< [count] U16, ascending within a row
    Tensor values;      ///< [count] F16, or F32 where those do not hold them

    SparseView view() const;
};
struct LutWeight {
    Tensor packed; ///< [out, words] I32
    Tensor table;  ///< [out, 2^bits] F16
    int bits = 4;
    std::int64_t in = 0;
    std::optional<SparseRows> sparse{};
    std::optional<LutPlanes> planes{}; ///< where the device prefers them; not counted as stored
};
using Weight = std::variant<DenseWeight, GroupWeight, LutWeight>;

std::int64_t outFeatures(const Weight& weight);
std::int64_t inFeatures(const Weight& weight);
/// Bytes as stored: codes, tables, scales, zeros and sparse rows.
std::int64_t storedBytes(const Weight& weight);
/// All bits of the storage over the number of weights.
double averageBits(const Weight& weight);
/// "dense F16", "lut 3 bit", "lut 3 bit + 0.45 %", "group 4 bit / 64".
std::string describe(const Weight& weight);
/// Adds the planes that the context's device prefers, if it does. Sparse rows are checked before.
void arrangePlanes(ExecContext& context, LutWeight& weight);
/// Share of the weights that have a value in sparse rows; 0 for formats without them.
double sparseShare(const Weight& weight);
/// Another handle on the same storage.
Weight share(const Weight& weight);
/// Same weight on another device; `context` is one of that device, or of the host for the host.
Weight toDevice(const Weight& weight, Device device, ExecContext& context);
/// [out, in] F32 on the weight's device.
Tensor dequantize(ExecContext& context, const Weight& weight);

} // namespace lathe
