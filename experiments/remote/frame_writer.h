// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "engine/core/event_sink.h"
#include "experiments/remote/frame.h"

#include <atomic>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <thread>
#include <variant>

namespace lathe {

/// The engine's mouth: one thread owns the descriptor that frames leave by, behind a bounded queue.
/// A full queue merges Progress of the same run; whatever cannot be merged makes the run wait,
/// which is counted in the run's last event (`record.waited_for_window`).
class FrameWriter : public EventSink {
public:
    /// Writes the magic at once. @param fd  stays the caller's
    explicit FrameWriter(int fd, std::size_t capacity = 4096);
    ~FrameWriter() override; ///< writes what is queued, unless nobody reads any more
    FrameWriter(const FrameWriter&) = delete;
    FrameWriter& operator=(const FrameWriter&) = delete;

    void post(Event event) noexcept override;
    /// An answer to the window. Never waits, even above the limit: who sends it reads the window's
    /// messages, and a cancel may be the next one. The window's questions bound its answers.
    void send(std::vector<std::byte> frame);
    /// The reader is gone; everything is dropped from then on.
    bool broken() const noexcept { return m_broken; }

private:
    using Item = std::variant<Event, std::vector<std::byte>>;

    void work(const std::stop_token& stop);
    void writeAll(std::span<const std::byte> bytes);
    std::vector<std::byte> encode(Item& item);

    int m_fd;
    std::size_t m_capacity;
    std::mutex m_mutex;
    std::condition_variable_any m_changed;
    std::deque<Item> m_queue;
    std::int64_t m_waits = 0; ///< of the present run
    std::atomic<bool> m_broken{false};
    std::jthread m_thread; ///< last: starts when all else stands
};

} // namespace lathe
