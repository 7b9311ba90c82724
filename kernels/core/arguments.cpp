// SPDX-License-Identifier: Apache-2.0
#include "kernels/core/arguments.h"

#include <algorithm>
#include <functional>
#include <string>

namespace lathe {

namespace {

std::string describe(const ConstView& view) {
    return view.shape.text() + " " + std::string(nameOf(view.dtype));
}

std::string describe(const Shape& shape, std::initializer_list<DType> dtypes) {
    std::string out = shape.text();
    const char* separator = " ";
    for (const DType dtype : dtypes) {
        out += separator;
        out += nameOf(dtype);
        separator = " or ";
    }
    return out;
}

bool overlap(const ConstView& a, const ConstView& b) {
    if (a.device != b.device || a.empty() || b.empty()) {
        return false;
    }
    const std::less<const std::byte*> before;
    return before(a.data, b.data + b.bytes()) && before(b.data, a.data + a.bytes());
}

} // namespace

void Arguments::check(
    const char* name, const ConstView& view, const Shape& shape,
    std::initializer_list<DType> dtypes) const {
    LATHE_CHECK(
        view.shape == shape && std::ranges::find(dtypes, view.dtype) != dtypes.end(),
        std::string(m_op) + ": " + name + " is " + describe(view) + ", " + describe(shape, dtypes) +
            " is needed");
    LATHE_CHECK(
        view.device == m_device, std::string(m_op) + ": " + name + " is on " + view.device.name() +
                                     ", the context on " + m_device.name());
    LATHE_CHECK(
        view.data != nullptr || view.elementCount() == 0,
        std::string(m_op) + ": " + name + " " + describe(view) + " has no memory");
}

void Arguments::rank(const char* name, const ConstView& view, int axes) const {
    LATHE_CHECK(
        view.shape.rank() == axes, std::string(m_op) + ": " + name + " is " + describe(view) +
                                       ", a tensor of " + std::to_string(axes) + " axes is needed");
}

void Arguments::disjoint(
    const char* nameA, const ConstView& a, const char* nameB, const ConstView& b) const {
    LATHE_CHECK(
        !overlap(a, b), std::string(m_op) + ": " + nameA + " " + describe(a) + " and " + nameB +
                            " " + describe(b) + " share memory");
}

void Arguments::sameOrDisjoint(
    const char* nameA, const ConstView& a, const char* nameB, const ConstView& b) const {
    LATHE_CHECK(
        !overlap(a, b) || (a.data == b.data && a.bytes() == b.bytes()),
        std::string(m_op) + ": " + nameA + " " + describe(a) + " and " + nameB + " " + describe(b) +
            " overlap in part");
}

} // namespace lathe
