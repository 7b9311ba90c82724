// SPDX-License-Identifier: Apache-2.0
#include "engine/models/t5_state.h"

#include <algorithm>
#include <bit>

namespace lathe {

namespace {

/// Texts whose memory is kept: more of them are seldom decoded together.
constexpr std::size_t kMostKept = 32;
constexpr std::int64_t kLeastPositions = 32;

std::int64_t roundedUp(std::int64_t positions) {
    const auto least = std::max(positions, kLeastPositions);
    return static_cast<std::int64_t>(std::bit_ceil(static_cast<std::uint64_t>(least)));
}

} // namespace

std::unique_ptr<T5Memory> T5MemoryPool::take(
    const T5Config& config, std::int64_t capacity, std::int64_t sourceTokens, Device device) {
    const std::int64_t rows = roundedUp(capacity), sourceRows = roundedUp(sourceTokens);
    std::unique_ptr<T5Memory> memory;
    {
        const std::lock_guard lock(m_mutex);
        const auto found = std::find_if(m_free.rbegin(), m_free.rend(), [&](const auto& free) {
            return free->madeFor == rows && free->madeForSource == sourceRows;
        });
        if (found != m_free.rend()) {
            memory = std::move(*found);
            m_free.erase(std::next(found).base());
        }
    }
    if (memory == nullptr) {
        memory = std::make_unique<T5Memory>(config, rows, sourceRows, device);
    }
    memory->cache.reset(capacity);
    memory->source.reset(sourceTokens);
    return memory;
}

void T5MemoryPool::giveBack(std::unique_ptr<T5Memory> memory) noexcept {
    std::unique_ptr<T5Memory> oldest; // freed outside of the lock
    const std::lock_guard lock(m_mutex);
    if (m_free.size() >= kMostKept) {
        oldest = std::move(m_free.front());
        m_free.erase(m_free.begin());
    }
    m_free.push_back(std::move(memory));
}

} // namespace lathe
