// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "engine/core/decode_replay.h"

#include <QString>

#include <map>
#include <optional>
#include <utility>
#include <vector>

namespace lathe {

/// What became of a token that a model proposed.
enum class TokenFate {
    Drafted,     ///< by the little model; nobody has judged it (yet)
    Agreed,      ///< the big model would have written it
    Tolerated,   ///< it would have written another, but keeps this one
    RolledBack,  ///< it undid this one
    Flushed,     ///< it stood behind an undone one
    ThrownAway,  ///< the little model was too unsure to propose it: a fallback
    Big,         ///< the big model wrote it
    Replacement, ///< the big model wrote it in place of an undone one
};
inline constexpr int kTokenFates = 8;
/// "kept, agreed", ...
QString fateText(TokenFate fate);
bool isInText(TokenFate fate);

/// One proposal for one position. Events are counted from 0 within the log; -1: none.
struct TokenLife {
    TokenId token = -1;
    std::int64_t pos = 0;
    int attempt = 0; ///< earlier proposals for this position
    int born = -1;   ///< the event that wrote it
    int judged = -1; ///< the event that decided its fate; of tokens of the big model as `born`
    TokenFate fate = TokenFate::Drafted; ///< at the end of the log
    double c = kNotKnown;                ///< the little model's largest probability here
    double d = kNotKnown;                ///< nats; infinite for an impossible one
    TokenId argmaxL = -1;                ///< what the big model would write here
    double pLArgmax = kNotKnown;
    double ms = 0.0; ///< of the call that wrote it

    /// Its fate after the first `events` events; none: it has not been written.
    std::optional<TokenFate> fateAt(int events) const;
};

/// One call of a model: a bar in its lane.
struct ModelCall {
    bool big = false;
    DecodeEventKind kind = DecodeEventKind::Draft; ///< of the event
    int event = -1;
    std::int64_t t0Ns = 0, t1Ns = 0;
    std::int64_t rows = 0;
    /// Its work was for nothing: a draft that is not in the text, a prediction thrown away.
    bool wasted = false;
};

/// Why the big model's turn came.
enum class HandOver { LowConfidence, Cap, Copied, Tail, Start };
QString handOverText(HandOver cause);

/// A log in the form that screens show: lives of tokens, calls of models, numbers. Grows event by
/// event while a run is under way.
class DecodeStory {
public:
    DecodeStory() = default;
    /// @param pieces of ids, as the vocabulary spells them
    /// @throws FormatError when the log contradicts itself
    DecodeStory(DecodeLog log, std::map<TokenId, QString> pieces);

    /// The next event of a run under way. @throws FormatError, and nothing is taken.
    void append(const DecodeEvent& event, const QString& piece, const QString& argmaxPiece);

    bool isEmpty() const { return m_log.events.empty(); }
    const DecodeLog& log() const { return m_log; }
    int events() const { return static_cast<int>(m_log.events.size()); }
    std::int64_t endNs() const; ///< of the last call
    /// By position, then by attempt.
    const std::vector<TokenLife>& lives() const { return m_lives; }
    const std::vector<ModelCall>& calls() const { return m_calls; }
    /// The life of that place in the order; -1: there is none. Its index may grow with the story,
    /// position and attempt stay.
    int find(std::int64_t pos, int attempt) const;
    /// The lives of a position as a range of indices [first, second).
    std::pair<int, int> livesAt(std::int64_t pos) const;
    /// Of the text after `events` events, the prompt included.
    std::int64_t lengthAt(int events) const;
    bool endedAt(int events) const; ///< by an end-of-text token
    /// As people read it: "▁ein" is " ein". An id without a piece is "<17>".
    QString piece(TokenId token) const;
    /// The text of what is in it after `events` events, without the prompt and, once it has come,
    /// the end-of-text token.
    QString textAt(int events) const;
    /// Events that happened until a time: an event happens when its call ends.
    int eventsAt(std::int64_t ns) const;
    std::int64_t timeOf(int event) const; ///< when the first `event` events have happened
    /// Counts after `events` events.
    DecodeCounts countsAt(int events) const;

    std::vector<int> runLengths() const;        ///< drafts of each call of the big model
    std::vector<int> rollbackDistances() const; ///< tokens undone by each rollback
    std::map<HandOver, int> handOvers() const;

private:
    void take(const DecodeEvent& event);
    TokenLife& newLife(const DecodeEvent& event, TokenFate fate);
    TokenLife& newestAt(std::int64_t pos);
    void judge(const DecodeEvent& event, TokenFate fate);
    void takeBigToken(const DecodeEvent& event, TokenFate fate);

    DecodeLog m_log;
    DecodeReplay m_replay;
    std::map<TokenId, QString> m_pieces;
    std::vector<TokenLife> m_lives;
    std::vector<ModelCall> m_calls;
    std::vector<std::int64_t> m_times; ///< of each event: when it happened
    int m_end = -1;                    ///< the event of the end of the text
};

} // namespace lathe
