// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "widgets/decode/decode_story.h"

namespace lathe::test {

/// Writes a decode log step by step, so that caches, lengths and times follow from what happens.
/// A call of the little model takes 1 ms, one of the big model 5 ms.
class MadeLog {
public:
    explicit MadeLog(std::vector<TokenId> prompt = {0});

    MadeLog& draft(TokenId token, double c);
    MadeLog& fallback(TokenId token, double c);
    MadeLog& cap();
    /// Feeds all that is not in the big cache, in the tail case all but the last.
    MadeLog& verify(bool tail = false);
    MadeLog& keep(double d, TokenId argmax);     ///< the first draft that is not judged
    MadeLog& rollback(double d, TokenId argmax); ///< of it, with its flushes and replacement
    MadeLog& big(TokenId token, double p);
    MadeLog& eos();
    DecodeLog take() { return m_log; }

private:
    void add(DecodeEvent event);
    std::int64_t length() const { return static_cast<std::int64_t>(m_tokens.size()); }

    DecodeLog m_log;
    std::vector<TokenId> m_tokens;
    std::int64_t m_kvS = 0, m_kvL = 0, m_final = 0, m_now = 0;
};

/// The trace T1 of the design: A B C are drafted and D is thrown away; the big model undoes B,
/// flushes C and writes D; E (tolerated) and the end (agreed) follow.
DecodeLog traceLog();
std::map<TokenId, QString> tracePieces();
DecodeStory traceStory();
/// A long one: runs of drafts, a fallback every seventh run, a rollback every fifth.
DecodeStory longStory(int tokens);

} // namespace lathe::test
