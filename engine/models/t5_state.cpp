// SPDX-License-Identifier: Apache-2.0
#include "engine/models/t5_state.h"

#include <algorithm>
#include <bit>

namespace lathe {

namespace {

/// Texts whose memory is kept: more of them are seldom decoded together.
constexpr std::size_t kMostKept = 32;
/// Lengths of sources that are recorded at a time.
constexpr std::size_t kMostEncoders = 64;
constexpr std::int64_t kLeastPositions = 32;

std::int64_t roundedUp(std::int64_t positions) {
    const auto least = std::max(positions, kLeastPositions);
    return static_cast<std::int64_t>(std::bit_ceil(static_cast<std::uint64_t>(least)));
}

} // namespace

T5MemoryPool::T5MemoryPool() {
    m_free.reserve(kMostKept); // giving back cannot fail
    m_freeHidden.reserve(kMostKept);
    m_freeEncoders.reserve(kMostEncoders);
}

std::unique_ptr<T5Memory> T5MemoryPool::take(
    const ExecContext& context, const T5Config& config, std::int64_t capacity,
    std::int64_t sourceTokens) {
    const std::int64_t rows = roundedUp(capacity), sourceRows = roundedUp(sourceTokens);
    std::unique_ptr<T5Memory> memory;
    {
        const std::lock_guard lock(m_mutex);
        const auto found = std::find_if(m_free.rbegin(), m_free.rend(), [&](const auto& free) {
            return free->context == &context && free->madeFor == rows &&
                   free->madeForSource == sourceRows;
        });
        if (found != m_free.rend()) {
            memory = std::move(*found);
            m_free.erase(std::next(found).base());
        }
    }
    if (memory == nullptr) {
        memory = std::make_unique<T5Memory>(context, config, rows, sourceRows);
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

Tensor
T5MemoryPool::takeHidden(const ExecContext& context, std::int64_t tokens, std::int64_t hidden) {
    const auto bytes = static_cast<std::size_t>(roundedUp(tokens) * hidden) * sizeof(float);
    std::shared_ptr<Storage> storage;
    {
        const std::lock_guard lock(m_mutex);
        const auto found = std::ranges::find_if(m_freeHidden, [&](const Hidden& free) {
            return free.context == &context && free.storage->bytes() == bytes;
        });
        if (found != m_freeHidden.end()) {
            storage = std::move(found->storage);
            m_freeHidden.erase(found);
        }
    }
    if (storage == nullptr) {
        storage = Storage::allocate(bytes, context.device());
    }
    Storage* const memory = storage.get();
    const auto back = [pool = shared_from_this(), user = &context, storage](Storage*) noexcept {
        const std::lock_guard lock(pool->m_mutex);
        if (pool->m_freeHidden.size() < kMostKept) {
            pool->m_freeHidden.push_back({user, storage});
        }
    };
    return {std::shared_ptr<Storage>(memory, back), 0, {tokens, hidden}, DType::F32};
}

std::unique_ptr<T5EncodeStep>
T5MemoryPool::takeEncoder(ExecContext& context, const T5Model& model, std::int64_t tokens) {
    {
        const std::lock_guard lock(m_mutex);
        const auto found = std::ranges::find_if(
            m_freeEncoders, [&](const auto& free) { return free->isFor(context, model, tokens); });
        if (found != m_freeEncoders.end()) {
            std::unique_ptr<T5EncodeStep> encoder = std::move(*found);
            m_freeEncoders.erase(found);
            return encoder;
        }
    }
    return std::make_unique<T5EncodeStep>(context, model, tokens);
}

void T5MemoryPool::giveBack(std::unique_ptr<T5EncodeStep> encoder) noexcept {
    std::unique_ptr<T5EncodeStep> oldest;
    const std::lock_guard lock(m_mutex);
    if (m_freeEncoders.size() >= kMostEncoders) {
        oldest = std::move(m_freeEncoders.front());
        m_freeEncoders.erase(m_freeEncoders.begin());
    }
    m_freeEncoders.push_back(std::move(encoder));
}

} // namespace lathe
