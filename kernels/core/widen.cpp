// SPDX-License-Identifier: Apache-2.0
#include "kernels/core/widen.h"

#include "kernels/core/half.h"

#include <algorithm>

namespace lathe {

namespace {

template <class Element>
void widenElements(const Element* from, std::span<float> to) {
    std::transform(
        from, from + to.size(), to.begin(), [](Element value) { return toFloat(value); });
}

} // namespace

void widen(ConstView from, std::int64_t first, std::span<float> to) {
    switch (from.dtype) {
    case DType::F16:
        widenElements(from.ptr<Half>() + first, to);
        break;
    case DType::BF16:
        widenElements(from.ptr<BFloat16>() + first, to);
        break;
    default:
        std::copy_n(from.ptr<float>() + first, to.size(), to.begin());
    }
}

} // namespace lathe
