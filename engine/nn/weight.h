// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "kernels/core/exec_context.h"
#include "kernels/core/tensor.h"

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
    Tensor words;        ///< [tiles, steps, bits, 32, 2] I32
    Tensor coefficients; ///< [8 * tiles, 2^bits] F32
};
struct LutWeight {
    Tensor packed; ///< [out, words] I32
    Tensor table;  ///< [out, 2^bits] F16
    int bits = 4;
    std::int64_t in = 0;
    std::optional<LutPlanes> planes{}; ///< where the device prefers them; not counted as stored
};
using Weight = std::variant<DenseWeight, GroupWeight, LutWeight>;

std::int64_t outFeatures(const Weight& weight);
std::int64_t inFeatures(const Weight& weight);
/// Bytes as stored: codes, tables, scales and zeros.
std::int64_t storedBytes(const Weight& weight);
/// All bits of the storage over the number of weights.
double averageBits(const Weight& weight);
/// "dense F16", "lut 3 bit", "group 4 bit / 64".
std::string describe(const Weight& weight);
/// Adds the planes that the context's device prefers, if it does.
void arrangePlanes(ExecContext& context, LutWeight& weight);
/// Same weight on another device; `context` is one of that device, or of the host for the host.
Weight toDevice(const Weight& weight, Device device, ExecContext& context);
/// [out, in] F32 on the weight's device.
Tensor dequantize(ExecContext& context, const Weight& weight);

} // namespace lathe
