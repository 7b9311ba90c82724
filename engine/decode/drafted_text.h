// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "engine/core/decode_log.h"
#include "engine/decode/draft_rule.h"

#include <functional>
#include <optional>

/// One text between two models, as a state machine that calls neither: it says whose turn it is and
/// what to feed, and takes the rows. Whoever makes the calls may gather those of many texts.
namespace lathe {

struct DecodeRequest {
    std::vector<TokenId> prompt; ///< at least one token; of an encoder-decoder the start token
    std::vector<TokenId> ends{}; ///< ids that end the text
    int maxNew = 128;
    const EncoderOutput* littleEncoder = nullptr;
    const EncoderOutput* bigEncoder = nullptr;
    std::vector<TokenId> lookup{}; ///< further text to copy drafts from (the source)
    std::uint64_t seed = 1;        ///< of this text's draws: they do not depend on its neighbours
};

/// Sees every event as it is recorded.
using DecodeEventSink = std::function<void(const DecodeEvent&)>;

/// When a call ran, and its number.
struct CallSpan {
    std::int64_t call = 0;
    std::int64_t t0Ns = 0;
    std::int64_t t1Ns = 0;
};

class DraftedText {
public:
    enum class Turn : std::uint8_t { Little, Big, Done };
    struct Feed {
        std::span<const TokenId> tokens;
        std::span<const TokenId> targets;
    };

    /// @param maxLength tokens with the prompt, at which the text ends.
    /// @param rule outlives the text.
    DraftedText(
        const DecodeRequest& request, const DraftOptions& options, const DraftRule& rule,
        std::int64_t maxLength, DecodeEventSink sink);

    Turn turn() const noexcept { return m_turn; }
    /// A model's state has begun and holds all of the prompt but its last token, which is never
    /// cached before a call. Call it for each model used, then `start`.
    void prefilled(DecodeEventKind kind, std::int64_t rows, const CallSpan& span);
    void start();
    /// What the model whose turn it is has to be fed; valid until rows are taken.
    Feed feed();
    /// How long the little model may draft by itself from here on; valid as long as the text.
    DraftLimits draftLimits() const;
    void takeLittle(const TokenRow& last, const CallSpan& span);
    void takeBig(std::span<const TokenRow> rows, const CallSpan& span);

    /// Lengths that the models' caches have to be cut to before the next call.
    std::int64_t littleLength() const noexcept { return m_kvS; }
    std::int64_t bigLength() const noexcept { return m_kvL; }
    const std::vector<TokenId>& tokens() const noexcept { return m_tokens; }
    /// Tokens before it can never change; the only ones to hand on.
    std::int64_t finalLength() const noexcept { return m_final; }
    const DecodeLog& log() const noexcept { return m_log; }

private:
    std::int64_t length() const { return static_cast<std::int64_t>(m_tokens.size()); }
    bool endsWith(TokenId token) const;
    bool isAtEnd() const;
    void moveLittle();
    void copyDrafts();
    void pushDraft(Draft draft, std::int64_t rows, const CallSpan& span);
    /// @return whether the text was rolled back.
    bool judgeDrafts(std::span<const TokenRow> rows, std::int64_t from, std::int64_t call);
    void keep(std::int64_t pos, const TokenRow& row, std::int64_t call);
    void undo(std::int64_t pos, const TokenRow& row, TokenId replacement, std::int64_t call);
    void writeBonus(const TokenRow& row, std::int64_t call);
    void finish();
    /// An event of the present state; kvS, kvL, n and seq are filled in.
    void record(DecodeEvent event);
    const Draft& draftAt(std::int64_t pos) const;

    const DraftRule& m_rule;
    DraftOptions m_options;
    std::vector<TokenId> m_ends, m_lookup;
    std::int64_t m_maxLength;
    DecodeEventSink m_sink;
    Random m_random;
    DecodeLog m_log;
    std::vector<TokenId> m_tokens;
    std::vector<Draft> m_drafts; ///< unjudged ones: those of the last m_drafts.size() tokens
    std::vector<TokenId> m_targets;
    Turn m_turn = Turn::Done;
    bool m_tail = false;
    TokenId m_thrownAway = -1; ///< the fallback's token, of interest to what-ifs
    std::int64_t m_kvS = 0, m_kvL = 0, m_final = 0, m_lastCall = 0, m_lastNs = 0;
    int m_run = 0;
};

/// The `count` tokens behind the latest earlier occurrence of the text's last tokens: of its last
/// `longestMatch` ones, else of fewer. Where they reach the end of the text they go on with
/// themselves. `before` is searched as if it stood in front. Empty when not even the last token
/// occurs again.
std::vector<TokenId> copiedDrafts(
    std::span<const TokenId> before, std::span<const TokenId> text, int longestMatch,
    std::int64_t count);

} // namespace lathe
