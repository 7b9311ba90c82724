// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "kernels/ops/lut_gemv/lut_gemv.h"
#include "tests/conformance/arrays.h"

#include <limits>

/// What the cases of both packed weight formats share.
namespace lathe::conformance {

/// Rows [from, from + count) of a packed matrix [out, in].
struct PackedShape {
    int bits = 4;
    std::int64_t out = 1, in = 1, from = 0, count = 1;

    std::string text() const {
        return std::to_string(bits) + " bit in " + std::to_string(in) + " rows " +
               std::to_string(from) + " + " + std::to_string(count) + " of " + std::to_string(out);
    }
};

/// [out, words] of random bits, the unused ones behind the last code of a row included: a file may
/// hold anything there, and no kernel may mind.
inline ConstView randomCodes(Arrays& arrays, std::int64_t out, std::int64_t in, int bits) {
    using Limits = std::numeric_limits<std::int32_t>;
    return arrays.integers("packed", {out, packedWords(in, bits)}, Limits::min(), Limits::max());
}

} // namespace lathe::conformance
