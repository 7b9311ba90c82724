// SPDX-License-Identifier: Apache-2.0
#include "engine/base/python_random.h"

#include "engine/core/error.h"

#include <bit>
#include <limits>

namespace lathe {

PythonRandom::PythonRandom(std::uint32_t seed) {
    m_state[0] = 19650218U;
    for (std::size_t i = 1; i < kWords; ++i) {
        const std::uint32_t before = m_state[i - 1];
        m_state[i] = 1812433253U * (before ^ (before >> 30)) + static_cast<std::uint32_t>(i);
    }
    // An array of one word: its index, which is added too, stays 0.
    std::size_t i = 1;
    const auto advance = [&] {
        if (++i == kWords) {
            m_state[0] = m_state[kWords - 1];
            i = 1;
        }
    };
    const auto mixed = [&](std::uint32_t factor) {
        const std::uint32_t before = m_state[i - 1];
        return m_state[i] ^ ((before ^ (before >> 30)) * factor);
    };
    for (std::size_t k = 0; k < kWords; ++k) {
        m_state[i] = mixed(1664525U) + seed;
        advance();
    }
    for (std::size_t k = 0; k + 1 < kWords; ++k) {
        m_state[i] = mixed(1566083941U) - static_cast<std::uint32_t>(i);
        advance();
    }
    m_state[0] = 0x80000000U;
}

void PythonRandom::refill() noexcept {
    constexpr std::size_t kShift = 397;
    for (std::size_t i = 0; i < kWords; ++i) {
        const std::uint32_t joined =
            (m_state[i] & 0x80000000U) | (m_state[(i + 1) % kWords] & 0x7fffffffU);
        m_state[i] = m_state[(i + kShift) % kWords] ^ (joined >> 1) ^
                     ((joined & 1U) != 0 ? 0x9908b0dfU : 0U);
    }
    m_next = 0;
}

std::uint32_t PythonRandom::next() noexcept {
    if (m_next == kWords) {
        refill();
    }
    std::uint32_t y = m_state[m_next++];
    y ^= y >> 11;
    y ^= (y << 7) & 0x9d2c5680U;
    y ^= (y << 15) & 0xefc60000U;
    return y ^ (y >> 18);
}

std::int64_t PythonRandom::randint(std::int64_t low, std::int64_t high) {
    const std::uint64_t width = static_cast<std::uint64_t>(high) - static_cast<std::uint64_t>(low);
    if (low > high || width >= std::numeric_limits<std::uint32_t>::max()) {
        throw InternalError("randint: an empty range, or one of more than 32 bits");
    }
    const auto count = static_cast<std::uint32_t>(width + 1);
    for (;;) { // the upper bits of an output, until they are a number of the range
        const std::uint32_t drawn = next() >> (32 - std::bit_width(count));
        if (drawn < count) {
            return low + static_cast<std::int64_t>(drawn);
        }
    }
}

} // namespace lathe
