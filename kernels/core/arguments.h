// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "kernels/core/tensor.h"

#include <initializer_list>

namespace lathe {

/// Checks of the views given to one call of an op. A message names the op, the argument, what it is
/// and what is needed: "gemm: w is [3, 4] F32, [3, 5] F32 is needed".
class Arguments {
public:
    Arguments(const char* op, Device device) : m_op(op), m_device(device) {}

    /// @throws InputError unless the view has this shape, one of these dtypes and lies on the
    /// device.
    void check(
        const char* name, const ConstView& view, const Shape& shape,
        std::initializer_list<DType> dtypes) const;
    void f32(const char* name, const ConstView& view, const Shape& shape) const {
        check(name, view, shape, {DType::F32});
    }
    void i32(const char* name, const ConstView& view, const Shape& shape) const {
        check(name, view, shape, {DType::I32});
    }
    /// A float weight in any of its three storage types.
    void weight(const char* name, const ConstView& view, const Shape& shape) const {
        check(name, view, shape, {DType::F32, DType::F16, DType::BF16});
    }
    /// @throws InputError unless the view has this many axes.
    void rank(const char* name, const ConstView& view, int axes) const;
    /// @throws InputError when the two share memory.
    void
    disjoint(const char* nameA, const ConstView& a, const char* nameB, const ConstView& b) const;
    /// @throws InputError when the two overlap without being the same memory.
    void sameOrDisjoint(
        const char* nameA, const ConstView& a, const char* nameB, const ConstView& b) const;

private:
    const char* m_op;
    Device m_device;
};

} // namespace lathe
