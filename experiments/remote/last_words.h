// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "experiments/remote/client.h"

#include <string>
#include <string_view>

namespace lathe {

/// The last 64 KiB of a child's standard error, handed on line by line.
class LastWords {
public:
    void clear();
    void add(std::string_view text, EngineObserver& observer);
    /// Hands on what stands after the last line end.
    void endLine(EngineObserver& observer);
    /// The last few lines in one, for the message of a crashed run; empty when nothing was said.
    std::string tail() const;

private:
    std::string m_ring;
    std::string m_line;
};

} // namespace lathe
