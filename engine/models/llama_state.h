// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "engine/decode/decoder.h"
#include "engine/models/llama_config.h"
#include "engine/models/llama_decode.h"

#include <memory>
#include <vector>

namespace lathe {

/// Beside the cache, what a batch that begins with this sequence needs: its ids, the logits of the
/// last forward, and the step of one token each.
class LlamaState : public DecoderState {
public:
    LlamaState(const LlamaConfig& config, std::int64_t capacity, Device device)
        : m_cache(config.layers, capacity, config.kvHeads, config.headDim, device) {}
    KvCache& cache() override { return m_cache; }

    /// [rows, vocabulary] F32; grows, never shrinks.
    TensorView logits(std::int64_t rows, std::int64_t vocabulary, Device device) {
        if (m_logits.isNull() || m_logits.shape()[0] < rows) {
            m_logits = Tensor::empty({rows, vocabulary}, DType::F32, device);
        }
        return m_logits.view().slice(0, rows);
    }
    std::vector<TokenId>& ids() { return m_ids; }
    std::vector<std::int32_t>& positions() { return m_positions; }
    /// Null until there was such a step.
    std::unique_ptr<LlamaDecodeStep>& decodeStep() { return m_decodeStep; }

private:
    KvCache m_cache;
    Tensor m_logits;
    std::vector<TokenId> m_ids;
    std::vector<std::int32_t> m_positions;
    std::unique_ptr<LlamaDecodeStep> m_decodeStep;
};

} // namespace lathe
