// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "engine/models/forward_slots.h"
#include "engine/models/llama_config.h"
#include "engine/models/llama_decode.h"

#include <memory>
#include <vector>

namespace lathe {

/// Beside the cache, what a batch that begins with this sequence needs.
class LlamaState : public DecoderState, public ForwardBuffers {
public:
    LlamaState(const LlamaConfig& config, std::int64_t capacity, Device device)
        : m_cache(config.layers, capacity, config.kvHeads, config.headDim, device) {}
    KvCache& cache() override { return m_cache; }

    std::vector<std::int32_t>& positions() { return m_positions; }
    /// Null until there was such a step.
    std::unique_ptr<LlamaDecodeStep>& decodeStep() { return m_decodeStep; }
    /// Of several tokens a step, and of drafts.
    RecordedSteps& steps() { return m_steps; }

private:
    KvCache m_cache;
    std::vector<std::int32_t> m_positions;
    std::unique_ptr<LlamaDecodeStep> m_decodeStep;
    RecordedSteps m_steps;
};

} // namespace lathe
