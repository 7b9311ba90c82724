// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "engine/models/forward_slots.h"
#include "engine/models/t5_config.h"
#include "engine/models/t5_decode.h"

#include <memory>
#include <mutex>
#include <vector>

namespace lathe {

/// What a text in the making needs on the device: its own keys and values, those of the source,
/// and the launches that were recorded on them. Another text goes on to use it afterwards, so that
/// short texts neither allocate nor record anything.
struct T5Memory {
    T5Memory(
        const ExecContext& user, const T5Config& config, std::int64_t capacity,
        std::int64_t sourceCapacity)
        : context(&user), madeFor(capacity), madeForSource(sourceCapacity),
          cache(config.decoderLayers, capacity, config.heads, config.headDim, user.device()),
          source(
              config.decoderLayers, sourceCapacity, config.heads, config.headDim, user.device()) {}

    /// Whose launches, one after another, alone may touch it.
    const ExecContext* context;
    std::int64_t madeFor, madeForSource; ///< positions
    KvCache cache, source;
    ForwardBuffers buffers;
    RecordedSteps steps;
};

/// Memory of texts and sources that are done with.
class T5MemoryPool : public std::enable_shared_from_this<T5MemoryPool> {
public:
    T5MemoryPool();
    /// For so many positions at least; both sizes are rounded up to powers of two.
    std::unique_ptr<T5Memory> take(
        const ExecContext& context, const T5Config& config, std::int64_t capacity,
        std::int64_t sourceTokens);
    void giveBack(std::unique_ptr<T5Memory> memory) noexcept;
    /// [tokens, hidden] F32, whose memory comes back by itself.
    Tensor takeHidden(const ExecContext& context, std::int64_t tokens, std::int64_t hidden);

    /// For so many tokens of a source.
    std::unique_ptr<T5EncodeStep>
    takeEncoder(ExecContext& context, const T5Model& model, std::int64_t tokens);
    void giveBack(std::unique_ptr<T5EncodeStep> encoder) noexcept;

private:
    struct Hidden {
        const ExecContext* context;
        std::shared_ptr<Storage> storage;
    };
    std::mutex m_mutex;
    std::vector<std::unique_ptr<T5Memory>> m_free; ///< the one used last behind all others
    std::vector<Hidden> m_freeHidden;
    std::vector<std::unique_ptr<T5EncodeStep>> m_freeEncoders;
};

/// A text in the making.
class T5State : public DecoderState {
public:
    T5State(std::shared_ptr<T5MemoryPool> pool, std::unique_ptr<T5Memory> memory)
        : m_pool(std::move(pool)), m_memory(std::move(memory)) {}
    ~T5State() override { m_pool->giveBack(std::move(m_memory)); }
    T5State(const T5State&) = delete;
    T5State& operator=(const T5State&) = delete;

    KvCache& cache() override { return m_memory->cache; }
    KvCache& source() { return m_memory->source; }
    T5Memory& memory() { return *m_memory; }

private:
    std::shared_ptr<T5MemoryPool> m_pool;
    std::unique_ptr<T5Memory> m_memory;
};

} // namespace lathe
