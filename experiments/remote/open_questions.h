// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "engine/core/json.h"

#include <cstdint>
#include <deque>
#include <mutex>
#include <set>

namespace lathe {

class Outbox;

/// What a child is asked: each question is answered once, by the child or because it has ended. Any
/// thread.
class OpenQuestions {
public:
    /// @param question {"question": id, ...}
    void add(Json question);
    void sendTo(Outbox& outbox);
    /// @return false for one that was never sent, or has been answered
    bool close(std::int64_t id);
    /// The child has ended: those that it was sent.
    std::set<std::int64_t> closeAll();

private:
    std::mutex m_mutex;
    std::deque<Json> m_unsent;
    std::set<std::int64_t> m_sent;
};

} // namespace lathe
