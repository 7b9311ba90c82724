// SPDX-License-Identifier: Apache-2.0
#include "engine/models/forward_slots.h"

#include "engine/core/check.h"
#include "kernels/core/captured_graph.h"

#include <string>

namespace lathe {

TensorView ForwardBuffers::logits(std::int64_t rows, std::int64_t vocabulary, Device device) {
    if (m_logits.isNull() || m_logits.shape()[0] < rows) {
        m_logits = Tensor::empty({rows, vocabulary}, DType::F32, device);
    }
    return m_logits.view().slice(0, rows);
}

void checkTokens(const DecodeSlot& slot, std::int64_t vocabularySize) {
    const KvCache& cache = slot.state.cache();
    LATHE_CHECK(!slot.tokens.empty(), "forward: a slot has no tokens");
    const auto fresh = static_cast<std::int64_t>(slot.tokens.size());
    LATHE_CHECK(
        fresh <= cache.capacity() - cache.length(),
        "forward: " + std::to_string(fresh) + " tokens after " + std::to_string(cache.length()) +
            " do not fit a cache of " + std::to_string(cache.capacity()) + " positions");
    for (const TokenId id : slot.tokens) {
        LATHE_CHECK(
            id >= 0 && id < vocabularySize, "forward: token " + std::to_string(id) +
                                                " is not in a vocabulary of " +
                                                std::to_string(vocabularySize));
    }
}

void checkStates(std::span<const DecodeSlot> slots) {
    LATHE_CHECK(!slots.empty(), "forward: there are no slots");
    for (std::size_t i = 0; i < slots.size(); ++i) {
        for (std::size_t j = 0; j < i; ++j) {
            LATHE_CHECK(&slots[i].state != &slots[j].state, "forward: a state is in two slots");
        }
    }
}

void gatherIds(std::span<const DecodeSlot> slots, std::vector<TokenId>& ids) {
    ids.clear();
    for (const DecodeSlot& slot : slots) {
        ids.insert(ids.end(), slot.tokens.begin(), slot.tokens.end());
    }
}

ConstView onDevice(ExecContext& context, std::span<const std::int32_t> values) {
    const auto host = constViewOf(values, Shape{static_cast<std::int64_t>(values.size())});
    if (!context.device().isCuda()) {
        return host;
    }
    const TensorView view = context.scratch().take(host.shape, DType::I32);
    if (values.size() <= kMostPut) {
        put(context, values, view); // waits for nothing
    } else {
        copy(context, host, view);
    }
    return view;
}

} // namespace lathe
