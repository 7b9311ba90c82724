// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "kernels/core/tensor.h"

#include <cstdint>
#include <vector>

namespace lathe {

/// Keys and values of one sequence: per layer two tensors [capacity, kvHeads, headDim] F32, with
/// the capacity that it was made with.
class KvCache {
public:
    KvCache(
        int layers, std::int64_t capacity, std::int64_t kvHeads, std::int64_t headDim,
        Device device);

    std::int64_t length() const noexcept { return m_length; }
    std::int64_t capacity() const noexcept { return m_capacity; }
    /// Cache of a layer; rows [length, length + n) are written by a forward before commit(n).
    TensorView keys(int layer);
    TensorView values(int layer);
    /// After a successful forward, so that a failed one leaves the cache as it was.
    /// @throws InternalError beyond the capacity.
    void commit(std::int64_t count);
    /// Rollback: O(1), frees nothing. @throws InputError when longer than the present length.
    void truncate(std::int64_t length);
    /// Forgets everything, and takes at most `capacity` positions of those it was made with from
    /// now on: memory that another sequence goes on to use. @throws InputError for more than those.
    void reset(std::int64_t capacity);
    std::int64_t bytes() const noexcept;

private:
    std::vector<Tensor> m_keys, m_values;
    std::int64_t m_allocated;
    std::int64_t m_capacity;
    std::int64_t m_length = 0;
};

} // namespace lathe
