// SPDX-License-Identifier: Apache-2.0
#include "engine/base/random.h"

#include <cmath>
#include <numbers>

namespace lathe {

namespace {

std::uint64_t rotateLeft(std::uint64_t x, int k) noexcept { return (x << k) | (x >> (64 - k)); }

} // namespace

Random::Random(std::uint64_t seed) : m_state{} {
    for (std::uint64_t& word : m_state) {
        seed += 0x9e3779b97f4a7c15ULL;
        std::uint64_t z = seed;
        z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
        z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
        word = z ^ (z >> 31);
    }
}

std::uint64_t Random::next() noexcept {
    const std::uint64_t result = rotateLeft(m_state[1] * 5, 7) * 9;
    const std::uint64_t t = m_state[1] << 17;
    m_state[2] ^= m_state[0];
    m_state[3] ^= m_state[1];
    m_state[1] ^= m_state[2];
    m_state[0] ^= m_state[3];
    m_state[2] ^= t;
    m_state[3] = rotateLeft(m_state[3], 45);
    return result;
}

double Random::uniform() noexcept { return static_cast<double>(next() >> 11) * 0x1.0p-53; }

std::uint64_t Random::below(std::uint64_t bound) noexcept {
    // Rejecting the first 2^64 mod bound values leaves every residue equally often.
    const std::uint64_t threshold = (0 - bound) % bound;
    for (;;) {
        const std::uint64_t r = next();
        if (r >= threshold) {
            return r % bound;
        }
    }
}

double Random::normal() noexcept {
    const double u = 1.0 - uniform(); // (0, 1]: its logarithm is finite
    return std::sqrt(-2.0 * std::log(u)) * std::cos(2.0 * std::numbers::pi * uniform());
}

} // namespace lathe
