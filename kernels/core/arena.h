// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "kernels/core/tensor.h"

#include <memory>
#include <vector>

namespace lathe {

/// Bump allocator for the temporaries of one forward pass: grows in blocks, gives everything back
/// at the end of a Scope, keeps its blocks for the next one. Not thread-safe.
class Arena {
public:
    explicit Arena(Device device) : m_device(device) {}

    /// Uninitialised, 256-byte aligned, valid until the innermost open Scope ends.
    TensorView take(Shape shape, DType dtype);

    class Scope {
    public:
        explicit Scope(Arena& arena);
        ~Scope();
        Scope(const Scope&) = delete;
        Scope& operator=(const Scope&) = delete;

    private:
        Arena& m_arena;
        std::size_t m_block;
        std::size_t m_used;
    };

    std::size_t reservedBytes() const noexcept;

private:
    struct Block {
        std::shared_ptr<Storage> storage;
        std::size_t used = 0;
    };
    Device m_device;
    std::vector<Block> m_blocks;
    std::size_t m_current = 0;
};

} // namespace lathe
