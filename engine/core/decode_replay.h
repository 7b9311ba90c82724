// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "engine/core/decode_log.h"

namespace lathe {

/// A text that follows its log event by event, for logs that are still growing.
class DecodeReplay {
public:
    explicit DecodeReplay(std::span<const TokenId> prompt = {});

    /// @throws FormatError as replay() does; what it holds is then of no use any more.
    void follow(const DecodeEvent& event);
    /// What the events so far made.
    const ReplayedText& text() const { return m_text; }
    ReplayedText take() { return std::move(m_text); }

private:
    void followCall();
    void followDecision();
    void feedLittle();
    void push();
    void requireToken() const;
    void require(bool holds, const char* fault) const;
    std::int64_t length() const { return static_cast<std::int64_t>(m_text.tokens.size()); }

    ReplayedText m_text;
    std::vector<TokenId> m_undone;
    std::int64_t m_undonePos = 0;         ///< of the first of them
    const DecodeEvent* m_event = nullptr; ///< while one is followed
    std::int64_t m_events = 0;
    std::int64_t m_lastNs = std::numeric_limits<std::int64_t>::min();
};

} // namespace lathe
