// SPDX-License-Identifier: Apache-2.0
#include "experiments/remote/frame_writer.h"

#include "engine/core/error.h"

#include <algorithm>
#include <cerrno>
#include <unistd.h>
#include <utility>

namespace lathe {

FrameWriter::FrameWriter(int fd, std::size_t capacity) : m_fd(fd), m_capacity(capacity) {
    writeAll(std::as_bytes(std::span(kMagic)));
    m_thread = std::jthread([this](const std::stop_token& stop) { work(stop); });
}

FrameWriter::~FrameWriter() {
    m_thread.request_stop();
    m_thread.join();
}

namespace {

const Event* progressIn(const std::variant<Event, std::vector<std::byte>>& item) {
    const auto* event = std::get_if<Event>(&item);
    return event != nullptr && std::holds_alternative<Progress>(event->payload) ? event : nullptr;
}

} // namespace

void FrameWriter::post(Event event) noexcept {
    std::unique_lock lock(m_mutex);
    const bool full = m_queue.size() >= m_capacity && !m_broken;
    if (full && std::holds_alternative<Progress>(event.payload)) {
        const auto pending = std::find_if(m_queue.rbegin(), m_queue.rend(), [&](const Item& item) {
            const Event* other = progressIn(item);
            return other != nullptr && other->runId == event.runId;
        });
        if (pending != m_queue.rend()) {
            *pending = std::move(event);
            return;
        }
        // One Progress of a run may stand above the limit: the latest one is never lost.
    } else if (full) {
        ++m_waits;
        m_changed.wait(lock, [this] { return m_queue.size() < m_capacity || m_broken; });
    }
    auto* change = std::get_if<RunChanged>(&event.payload);
    if (change != nullptr && isFinal(change->state) && m_waits > 0 && change->record.is_object()) {
        change->record["waited_for_window"] = std::exchange(m_waits, 0);
    }
    m_queue.emplace_back(std::move(event));
    lock.unlock();
    m_changed.notify_all();
}

void FrameWriter::send(std::vector<std::byte> frame) {
    {
        const std::lock_guard lock(m_mutex);
        m_queue.emplace_back(std::move(frame));
    }
    m_changed.notify_all();
}

std::vector<std::byte> FrameWriter::encode(Item& item) {
    if (auto* bytes = std::get_if<std::vector<std::byte>>(&item)) {
        return std::move(*bytes);
    }
    const Event& event = std::get<Event>(item);
    try {
        const std::vector<std::byte> payload = encodeEvent(event);
        return encodeFrame(FrameKind::Event, std::span(payload));
    } catch (const Error& e) {
        // An array too large for a frame: the run goes on, and says what is missing.
        const LogLine line{LogLevel::Error, std::string("an event was not sent: ") + e.what()};
        const std::vector<std::byte> payload =
            encodeEvent({event.runId, event.cell, event.seq, event.at, line});
        return encodeFrame(FrameKind::Event, std::span(payload));
    }
}

void FrameWriter::work(const std::stop_token& stop) {
    for (;;) {
        std::deque<Item> batch;
        {
            std::unique_lock lock(m_mutex);
            m_changed.wait(lock, stop, [this] { return !m_queue.empty(); });
            if (m_queue.empty()) {
                return;
            }
            batch.swap(m_queue);
        }
        m_changed.notify_all();
        for (Item& item : batch) {
            writeAll(encode(item));
        }
    }
}

void FrameWriter::writeAll(std::span<const std::byte> bytes) {
    while (!bytes.empty() && !m_broken) {
        const ssize_t count = ::write(m_fd, bytes.data(), bytes.size());
        if (count > 0) {
            bytes = bytes.subspan(static_cast<std::size_t>(count));
        } else if (count < 0 && errno != EINTR) {
            const std::lock_guard lock(m_mutex);
            m_broken = true;
            m_changed.notify_all();
        }
    }
}

} // namespace lathe
