// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstdint>
#include <initializer_list>
#include <span>
#include <string>

namespace lathe {

/// Extents of a tensor, rank 0 to 5, stored inline. Rank 0 is one element.
class Shape {
public:
    static constexpr int kMaxRank = 5;

    Shape() = default;
    Shape(std::initializer_list<std::int64_t> extents);
    /// @throws FormatError for more than 5 axes or a negative extent.
    explicit Shape(std::span<const std::int64_t> extents);

    int rank() const noexcept { return m_rank; }
    /// Extent of an axis; negative axes count from the end. @throws InternalError out of range.
    std::int64_t operator[](int axis) const;
    std::int64_t elementCount() const noexcept;
    /// Elements of one index of axis 0 (1 for rank 0 and 1).
    std::int64_t rowElements() const noexcept;
    std::span<const std::int64_t> extents() const noexcept {
        return {m_extents.data(), static_cast<std::size_t>(m_rank)};
    }
    /// "[512, 768]".
    std::string text() const;
    bool operator==(const Shape& other) const noexcept;

private:
    std::array<std::int64_t, kMaxRank> m_extents{};
    int m_rank = 0;
};

} // namespace lathe
