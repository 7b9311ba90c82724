// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

namespace lathe {

/// xoshiro256** seeded by splitmix64: the same numbers on every machine and library
/// (std:: distributions differ between libraries).
class Random {
public:
    explicit Random(std::uint64_t seed);
    std::uint64_t next() noexcept;
    /// [0, 1) with 53 bits.
    double uniform() noexcept;
    /// [0, bound), unbiased. bound > 0.
    std::uint64_t below(std::uint64_t bound) noexcept;
    /// Standard normal (Box-Muller).
    double normal() noexcept;

private:
    std::uint64_t m_state[4];
};

} // namespace lathe
