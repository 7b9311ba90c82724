// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "engine/core/event_sink.h"

#include <vector>

namespace lathe {

/// Hands every event to several sinks in a fixed order. Sinks are named before the first event and
/// outlive the hub.
class EventHub : public EventSink {
public:
    explicit EventHub(std::vector<EventSink*> sinks) : m_sinks(std::move(sinks)) {}
    void post(Event event) noexcept override;

private:
    std::vector<EventSink*> m_sinks;
};

} // namespace lathe
