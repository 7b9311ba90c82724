// SPDX-License-Identifier: Apache-2.0
#include "engine/core/event_hub.h"

namespace lathe {

void EventHub::post(Event event) noexcept {
    for (std::size_t i = 0; i + 1 < m_sinks.size(); ++i) {
        m_sinks[i]->post(event);
    }
    if (!m_sinks.empty()) {
        m_sinks.back()->post(std::move(event));
    }
}

} // namespace lathe
