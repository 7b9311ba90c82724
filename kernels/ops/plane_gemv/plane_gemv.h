// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "kernels/core/exec_context.h"
#include "kernels/core/tensor.h"
#include "kernels/ops/spmv_csr/spmv_csr.h"

#include <span>
#include <vector>

/// Look-up-table weights for the binary tensor cores. With b bits a code indexes a table T of 2^b
/// entries; the Walsh expansion of T turns the look-up into sums over parities of the code's bits:
///
///   T[code] = c_0 + sum over sets S != 0 of bits:  c_S * (|code & S| odd ? 1 : 0)
///   c_0 = T[0],  c_S = -2^(1-b) * sum over codes: T[code] * (-1)^|code & S|
///
/// so that y = c_0 * sum(x) + sum over S: c_S * (sum of the x whose code has odd parity in S). With
/// x in fixed point that inner sum is a count of bits that two words have in common, which a tensor
/// core does for 16 x 8 x 256 bits at once: no table is looked up, no weight is decoded.
namespace lathe {

constexpr std::int64_t kPlaneTileRows = 8;      ///< rows of the matrix in a tile
constexpr std::int64_t kPlaneStepColumns = 512; ///< columns of two tensor-core products

constexpr std::int64_t planeTiles(std::int64_t out) {
    return (out + kPlaneTileRows - 1) / kPlaneTileRows;
}
constexpr std::int64_t planeSteps(std::int64_t in) {
    return (in + kPlaneStepColumns - 1) / kPlaneStepColumns;
}

/// [tiles, steps, bits, 32, 4], of I32: `bits` times 16 bytes for every lane of a warp.
inline Shape planesShape(std::int64_t out, std::int64_t in, std::int64_t bits) {
    return {planeTiles(out), planeSteps(in), bits, 32, 4};
}
/// [8 * tiles, 2^bits], of F32.
inline Shape planeCoefficientsShape(std::int64_t out, std::int64_t bits) {
    return {planeTiles(out) * kPlaneTileRows, std::int64_t{1} << bits};
}

/// Can this context multiply such weights of `bits` bits faster than LutGemv does?
bool prefersPlanes(const ExecContext& context, int bits, std::int64_t in);

/// Arranges a weight of LutGemv as bit planes. The words [tile, step, w / 4, lane, w % 4] of a lane
/// are [2, bits, 2]: for w = (half * bits + plane) * 2 + side, bit i is bit `plane` of the code at
/// row 8 * tile + lane / 4 and column
/// 512 * step + 256 * half + 32 * (i / 4) + 4 * (4 * side + lane % 4) + i % 4; 0 beyond the matrix.
struct PlaneArrange {
    ConstView packed; ///< [out, wordsPerRow] I32, see LutGemv
    ConstView table;  ///< [out, 2^bits] F16
    int bits = 4;     ///< 1..4
    std::int64_t in = 0;
    TensorView planes;       ///< [tiles, steps, bits, 32, 4] I32, overwritten
    TensorView coefficients; ///< [8 * tiles, 2^bits] F32: c_S of a row at S, overwritten
};
/// @throws InputError when shapes, dtypes, bits or devices do not fit.
void run(ExecContext& context, const PlaneArrange& op);

/// Warps of a block of the CUDA kernel. A worker multiplies consecutive steps, also over the ends
/// of tiles; a block has whole tiles.
constexpr std::int64_t kPlaneWorkers = 8;
/// Blocks of it for so many rows on the GPU of this context.
std::int64_t planeBlocks(ExecContext& context, std::int64_t out);

/// Where each worker of `blocks` blocks begins, and where the last one ends: tile and step, so that
/// all take about as long, the values of a sparse part in their tiles counted. Of a tile that
/// several workers share, each takes as many of its values as of its steps.
/// @param rowPointers [out + 1], checked. @return [blocks * kPlaneWorkers + 1, 2]; empty when
/// values are spread so evenly that equal numbers of steps are as good.
std::vector<std::int32_t>
planeShares(std::span<const std::int32_t> rowPointers, std::int64_t in, std::int64_t blocks);

/// y = x * w^T (+ bias) for one x, where w is a table look-up and, if there is one, a sparse part.
/// @note Cost: out * (in * bits / 8 + 2^bits * 4) bytes read, and the sparse part. The CUDA kernel
///       rounds x to 16-bit fixed point for the look-up: each x moves by at most 2^-16 of the
///       largest magnitude, y by some 4e-5 of its norm for normal x. An x that is not finite makes
///       all of y NaN. Sums are in a fixed order: equal inputs, equal bits.
///       It reads all but x before the kernel in front of it ends: whoever writes the rest waits
///       for the stream before the first product.
/// @see  SqueezeLLM (arXiv 2306.07629) section 4.3 for the format; docs/adr/0005-bit-planes.md.
struct PlaneGemv {
    ConstView x;            ///< [1, in] F32
    ConstView planes;       ///< [tiles, steps, bits, 32, 4] I32, aligned to 16 bytes
    ConstView coefficients; ///< [8 * tiles, 2^bits] F32, aligned to 16 bytes
    ConstView bias{};       ///< [out] F32, or empty
    SparseView sparse{};    ///< S [out, in], or all views empty
    ConstView shares{};     ///< [workers + 1, 2] I32 of planeShares, or empty: equal shares
    TensorView y;           ///< [1, out] F32, overwritten
};
/// @throws InputError when shapes, dtypes or devices do not fit; Unsupported on a GPU that is not
/// of
///         compute capability 9.x, and there for more than 65536 columns.
void run(ExecContext& context, const PlaneGemv& op);

} // namespace lathe
