// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "engine/models/forward_slots.h"
#include "engine/models/t5_config.h"

namespace lathe {

/// A text in the making: its own keys and values, and those of the source, which stay.
class T5State : public DecoderState, public ForwardBuffers {
public:
    T5State(const T5Config& config, std::int64_t capacity, std::int64_t sourceTokens, Device device)
        : m_cache(config.decoderLayers, capacity, config.heads, config.headDim, device),
          m_source(config.decoderLayers, sourceTokens, config.heads, config.headDim, device) {}
    KvCache& cache() override { return m_cache; }
    KvCache& source() { return m_source; }

private:
    KvCache m_cache;
    KvCache m_source;
};

} // namespace lathe
