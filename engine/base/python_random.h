// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstdint>

namespace lathe {

/// The numbers of Python's `random` after `random.seed(n)`, for protocols that are written down as
/// Python: the Mersenne Twister MT19937 (Matsumoto and Nishimura 1998), seeded by array.
class PythonRandom {
public:
    explicit PythonRandom(std::uint32_t seed);
    std::uint32_t next() noexcept;
    /// `random.randint(low, high)`: both ends are possible. high - low < 2^32 - 1.
    /// @throws InternalError when low > high.
    std::int64_t randint(std::int64_t low, std::int64_t high);

private:
    static constexpr std::size_t kWords = 624;
    void refill() noexcept;
    std::array<std::uint32_t, kWords> m_state{};
    std::size_t m_next = kWords;
};

} // namespace lathe
