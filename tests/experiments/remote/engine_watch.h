// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "experiments/remote/client.h"

#include <condition_variable>
#include <functional>
#include <mutex>
#include <vector>

namespace lathe::test {

/// Remembers what a RemoteEngine said, and lets a test wait for it.
class EngineWatch : public EngineObserver {
public:
    struct Seen {
        std::vector<std::pair<EngineState, std::string>> states;
        std::vector<std::string> lines;
        std::vector<EngineInfo> infos;
        std::vector<ModelInfo> models;
        std::vector<Json> answers;

        int count(EngineState state) const;
        /// The latest message that came with a state.
        std::string messageOf(EngineState state) const;
    };

    void engineStateChanged(EngineState state, std::string message) noexcept override;
    void engineReady(const EngineInfo& info) noexcept override;
    void engineSaid(std::string line) noexcept override;
    void modelDescribed(ModelInfo info) noexcept override;
    void questionAnswered(Json answer) noexcept override;

    Seen seen() const;
    /// @return false when it did not come true for long
    bool waitFor(const std::function<bool(const Seen&)>& holds);
    bool waitFor(EngineState state, int times = 1);

private:
    template <class Change>
    void remember(Change&& change);

    mutable std::mutex m_mutex;
    std::condition_variable m_changed;
    Seen m_seen;
};

} // namespace lathe::test
