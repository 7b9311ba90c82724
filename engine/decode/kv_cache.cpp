// SPDX-License-Identifier: Apache-2.0
#include "engine/decode/kv_cache.h"

#include "engine/core/check.h"

#include <string>

namespace lathe {

namespace {

std::size_t slotOf(int layer, const std::vector<Tensor>& tensors) {
    if (layer < 0 || static_cast<std::size_t>(layer) >= tensors.size()) {
        throw InternalError(
            "layer " + std::to_string(layer) + " of a cache of " + std::to_string(tensors.size()));
    }
    return static_cast<std::size_t>(layer);
}

/// Elements of one tensor, checked: a capacity may come from a file.
void checkSize(std::int64_t capacity, std::int64_t kvHeads, std::int64_t headDim) {
    const auto row = checkedProduct(kvHeads, headDim);
    const auto elements = row ? checkedProduct(*row, capacity) : std::nullopt;
    const auto bytes = elements ? checkedProduct(*elements, std::int64_t{4}) : std::nullopt;
    LATHE_CHECK(
        capacity > 0 && kvHeads > 0 && headDim > 0 && bytes.has_value(),
        "a key-value cache of " + std::to_string(capacity) + " positions, " +
            std::to_string(kvHeads) + " heads of " + std::to_string(headDim) +
            " elements is not possible");
}

} // namespace

KvCache::KvCache(
    int layers, std::int64_t capacity, std::int64_t kvHeads, std::int64_t headDim, Device device)
    : m_allocated(capacity), m_capacity(capacity) {
    checkSize(capacity, kvHeads, headDim);
    LATHE_CHECK(layers >= 0, "a key-value cache cannot have fewer than 0 layers");
    for (int layer = 0; layer < layers; ++layer) {
        m_keys.push_back(Tensor::empty({capacity, kvHeads, headDim}, DType::F32, device));
        m_values.push_back(Tensor::empty({capacity, kvHeads, headDim}, DType::F32, device));
    }
}

TensorView KvCache::keys(int layer) { return m_keys[slotOf(layer, m_keys)].view(); }

TensorView KvCache::values(int layer) { return m_values[slotOf(layer, m_values)].view(); }

void KvCache::commit(std::int64_t count) {
    if (count < 0 || count > m_capacity - m_length) {
        throw InternalError(
            "commit of " + std::to_string(count) + " positions to a cache that holds " +
            std::to_string(m_length) + " of " + std::to_string(m_capacity));
    }
    m_length += count;
}

void KvCache::truncate(std::int64_t length) {
    LATHE_CHECK(
        length >= 0 && length <= m_length, "a cache of " + std::to_string(m_length) +
                                               " positions cannot be cut to " +
                                               std::to_string(length));
    m_length = length;
}

void KvCache::reset(std::int64_t capacity) {
    LATHE_CHECK(
        capacity > 0 && capacity <= m_allocated,
        "a cache that was made with " + std::to_string(m_allocated) + " positions cannot take " +
            std::to_string(capacity));
    m_capacity = capacity;
    m_length = 0;
}

std::int64_t KvCache::bytes() const noexcept {
    std::size_t sum = 0;
    for (std::size_t i = 0; i < m_keys.size(); ++i) {
        sum += m_keys[i].bytes() + m_values[i].bytes();
    }
    return static_cast<std::int64_t>(sum);
}

} // namespace lathe
