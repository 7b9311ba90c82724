// SPDX-License-Identifier: Apache-2.0
#include "kernels/core/shape.h"

#include "engine/core/check.h"

#include <algorithm>

namespace lathe {

namespace {

/// Keeps elementCount() * 8 bytes, and that of every sub-range of axes, far from overflow.
constexpr std::int64_t kMaxElements = std::int64_t{1} << 58;

} // namespace

Shape::Shape(std::initializer_list<std::int64_t> extents)
    : Shape(std::span<const std::int64_t>(extents.begin(), extents.size())) {}

Shape::Shape(std::span<const std::int64_t> extents) {
    if (extents.size() > kMaxRank) {
        throw FormatError(
            "a shape of " + std::to_string(extents.size()) + " axes; at most 5 are supported");
    }
    std::int64_t product = 1;
    for (const std::int64_t extent : extents) {
        if (extent < 0) {
            throw FormatError("a shape with the negative extent " + std::to_string(extent));
        }
        const auto next = checkedProduct(product, std::max<std::int64_t>(extent, 1));
        if (!next.has_value() || *next > kMaxElements) {
            throw FormatError("a shape of more than 2^58 elements");
        }
        product = *next;
        m_extents[static_cast<std::size_t>(m_rank++)] = extent;
    }
}

std::int64_t Shape::operator[](int axis) const {
    const int index = axis < 0 ? axis + m_rank : axis;
    if (index < 0 || index >= m_rank) {
        throw InternalError("axis " + std::to_string(axis) + " of the shape " + text());
    }
    return m_extents[static_cast<std::size_t>(index)];
}

std::int64_t Shape::elementCount() const noexcept {
    std::int64_t count = 1;
    for (const std::int64_t extent : extents()) {
        count *= extent;
    }
    return count;
}

std::int64_t Shape::rowElements() const noexcept {
    std::int64_t count = 1;
    for (int axis = 1; axis < m_rank; ++axis) {
        count *= m_extents[static_cast<std::size_t>(axis)];
    }
    return count;
}

std::string Shape::text() const {
    std::string out = "[";
    for (const std::int64_t extent : extents()) {
        if (out.size() > 1) {
            out += ", ";
        }
        out += std::to_string(extent);
    }
    return out + "]";
}

bool Shape::operator==(const Shape& other) const noexcept {
    return std::ranges::equal(extents(), other.extents());
}

} // namespace lathe
