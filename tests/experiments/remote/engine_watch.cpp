// SPDX-License-Identifier: Apache-2.0
#include "tests/experiments/remote/engine_watch.h"

#include <algorithm>
#include <chrono>

namespace lathe::test {

namespace {

constexpr std::chrono::seconds kPatience{60};

} // namespace

int EngineWatch::Seen::count(EngineState state) const {
    return static_cast<int>(
        std::ranges::count_if(states, [state](const auto& seen) { return seen.first == state; }));
}

std::string EngineWatch::Seen::messageOf(EngineState state) const {
    const auto found = std::find_if(
        states.rbegin(), states.rend(), [state](const auto& seen) { return seen.first == state; });
    return found != states.rend() ? found->second : std::string();
}

template <class Change>
void EngineWatch::remember(Change&& change) {
    {
        const std::lock_guard lock(m_mutex);
        change();
    }
    m_changed.notify_all();
}

void EngineWatch::engineStateChanged(EngineState state, std::string message) noexcept {
    remember([&] { m_seen.states.emplace_back(state, std::move(message)); });
}

void EngineWatch::engineReady(const EngineInfo& info) noexcept {
    remember([&] { m_seen.infos.push_back(info); });
}

void EngineWatch::engineSaid(std::string line) noexcept {
    remember([&] { m_seen.lines.push_back(std::move(line)); });
}

void EngineWatch::modelDescribed(ModelInfo info) noexcept {
    remember([&] { m_seen.models.push_back(std::move(info)); });
}

void EngineWatch::questionAnswered(Json answer) noexcept {
    remember([&] { m_seen.answers.push_back(std::move(answer)); });
}

EngineWatch::Seen EngineWatch::seen() const {
    const std::lock_guard lock(m_mutex);
    return m_seen;
}

bool EngineWatch::waitFor(const std::function<bool(const Seen&)>& holds) {
    std::unique_lock lock(m_mutex);
    return m_changed.wait_for(lock, kPatience, [&] { return holds(m_seen); });
}

bool EngineWatch::waitFor(EngineState state, int times) {
    return waitFor([=](const Seen& seen) { return seen.count(state) >= times; });
}

} // namespace lathe::test
