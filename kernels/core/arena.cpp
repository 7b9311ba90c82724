// SPDX-License-Identifier: Apache-2.0
#include "kernels/core/arena.h"

#include <algorithm>

namespace lathe {

namespace {

constexpr std::size_t kAlignment = 256;
constexpr std::size_t kSmallestBlock = std::size_t{1} << 20;

} // namespace

TensorView Arena::take(Shape shape, DType dtype) {
    const std::size_t asked = static_cast<std::size_t>(shape.elementCount()) * sizeOf(dtype);
    const std::size_t bytes =
        (std::max<std::size_t>(asked, 1) + kAlignment - 1) / kAlignment * kAlignment;
    while (m_current < m_blocks.size()) {
        Block& block = m_blocks[m_current];
        if (block.storage->bytes() - block.used >= bytes) {
            std::byte* data = block.storage->data() + block.used;
            block.used += bytes;
            return {data, shape, dtype, m_device};
        }
        if (m_current + 1 == m_blocks.size()) {
            break;
        }
        m_blocks[++m_current].used = 0;
    }
    const std::size_t last = m_blocks.empty() ? 0 : m_blocks.back().storage->bytes();
    const std::size_t size = std::max({bytes, kSmallestBlock, 2 * last});
    m_blocks.push_back({Storage::allocate(size, m_device), bytes});
    m_current = m_blocks.size() - 1;
    return {m_blocks.back().storage->data(), shape, dtype, m_device};
}

Arena::Scope::Scope(Arena& arena)
    : m_arena(arena), m_block(arena.m_current),
      m_used(arena.m_blocks.empty() ? 0 : arena.m_blocks[arena.m_current].used) {}

Arena::Scope::~Scope() {
    if (!m_arena.m_blocks.empty()) {
        m_arena.m_current = m_block;
        m_arena.m_blocks[m_block].used = m_used;
    }
}

std::size_t Arena::reservedBytes() const noexcept {
    std::size_t sum = 0;
    for (const Block& block : m_blocks) {
        sum += block.storage->bytes();
    }
    return sum;
}

} // namespace lathe
