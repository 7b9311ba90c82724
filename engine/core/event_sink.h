// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "engine/core/event.h"

namespace lathe {

/// Where events go. `post` may be called from any thread, must not throw and must not wait long.
class EventSink {
public:
    virtual ~EventSink() = default;
    virtual void post(Event event) noexcept = 0;
};

} // namespace lathe
