// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <functional>
#include <memory>

namespace lathe {

/// Slices of one op over the processor's cores. Jobs must not block, nest or log.
class ThreadPool {
public:
    /// 0: one thread per core that this process may use. 1: everything on the caller.
    /// @throws InputError outside 0 to 1024, DeviceError when the system starts fewer threads.
    explicit ThreadPool(int threads);
    ~ThreadPool();
    ThreadPool(const ThreadPool&) = delete;
    ThreadPool& operator=(const ThreadPool&) = delete;

    int threadCount() const noexcept;
    /// Calls body(from, to) over a partition of [0, count) in pieces of at least `grain`, the
    /// caller included; returns when all are done. An exception of a body is rethrown here.
    void parallelFor(
        std::int64_t count, std::int64_t grain,
        const std::function<void(std::int64_t from, std::int64_t to)>& body);

private:
    struct Workers;
    std::unique_ptr<Workers> m_workers;
};

} // namespace lathe
