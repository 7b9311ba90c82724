// SPDX-License-Identifier: Apache-2.0
#include "engine/core/decode_replay.h"

#include "engine/core/error.h"

#include <algorithm>

namespace lathe {

namespace {

using Kind = DecodeEventKind;

double share(std::int64_t part, std::int64_t whole) {
    return whole == 0 ? 0.0 : static_cast<double>(part) / static_cast<double>(whole);
}

} // namespace

DecodeReplay::DecodeReplay(std::span<const TokenId> prompt) {
    m_text.tokens.assign(prompt.begin(), prompt.end());
    m_text.finalLength = length();
}

void DecodeReplay::follow(const DecodeEvent& event) {
    m_event = &event;
    require(event.seq == m_events++, "is not the next one");
    require(event.t0Ns >= 0, "begins before the text");
    require(event.t0Ns <= event.t1Ns, "ends before it begins");
    require(event.rows >= 0, "has a negative number of rows");
    require(event.rows <= length(), "feeds tokens that are not there");
    switch (event.kind) {
    case Kind::EncodeSmall:
    case Kind::EncodeLarge:
    case Kind::PrefillSmall:
    case Kind::PrefillLarge:
    case Kind::Draft:
    case Kind::Fallback:
    case Kind::Verify:
        followCall();
        break;
    default:
        followDecision();
    }
    require(event.n == length(), "claims another length of the text");
    require(event.kvS == m_text.kvS, "claims another little cache");
    require(event.kvL == m_text.kvL, "claims another big cache");
}

void DecodeReplay::followCall() {
    require(m_event->t0Ns >= m_lastNs, "begins before the call before it ended");
    m_lastNs = m_event->t1Ns;
    m_text.callNs += m_event->t1Ns - m_event->t0Ns;
    DecodeCounts& counts = m_text.counts;
    switch (m_event->kind) {
    case Kind::PrefillSmall:
        m_text.kvS += m_event->rows;
        break;
    case Kind::PrefillLarge:
        m_text.kvL += m_event->rows;
        break;
    case Kind::Draft:
        feedLittle();
        push();
        ++counts.drafts;
        break;
    case Kind::Fallback:
        feedLittle();
        require(m_event->pos == length(), "throws away a token at another position than the next");
        ++counts.fallbacks;
        break;
    case Kind::Verify:
        require(m_event->pos == m_text.kvL && m_event->rows > 0, "feeds the wrong tokens");
        m_text.kvL += m_event->rows;
        require(m_text.kvL <= length(), "feeds tokens that are not there");
        ++counts.bigCalls;
        counts.bigRows += m_event->rows;
        break;
    default:
        break;
    }
}

void DecodeReplay::followDecision() {
    DecodeCounts& counts = m_text.counts;
    switch (m_event->kind) {
    case Kind::Cap:
        ++counts.caps;
        break;
    case Kind::KeepAgreed:
    case Kind::KeepTolerated:
        requireToken();
        ++(m_event->kind == Kind::KeepAgreed ? counts.agreed : counts.tolerated);
        m_text.finalLength = m_event->pos + 1;
        break;
    case Kind::Rollback:
        requireToken();
        require(m_event->pos >= m_text.finalLength, "undoes a final token");
        m_undone.assign(m_text.tokens.begin() + m_event->pos + 1, m_text.tokens.end());
        m_text.tokens.resize(static_cast<std::size_t>(m_event->pos));
        m_text.kvS = std::min(m_text.kvS, m_event->pos);
        m_text.kvL = std::min(m_text.kvL, m_event->pos);
        m_undonePos = m_event->pos + 1;
        ++counts.rollbacks;
        break;
    case Kind::Flush:
        require(
            !m_undone.empty() && m_undone.front() == m_event->token && m_event->pos == m_undonePos,
            "flushes a token that was not behind an undone one");
        m_undone.erase(m_undone.begin());
        ++m_undonePos;
        ++counts.flushed;
        break;
    case Kind::Replace:
    case Kind::LargeToken:
        push();
        ++counts.bigTokens;
        m_text.finalLength = length();
        break;
    default: // Eos
        requireToken();
        require(m_event->pos == length() - 1, "ends a text before its last token");
        m_text.ended = true;
    }
}

void DecodeReplay::feedLittle() {
    if (m_event->rows > 0) {
        m_text.kvS += m_event->rows;
        require(m_text.kvS == length(), "does not feed the newest token");
        ++m_text.counts.smallSteps;
    }
}

void DecodeReplay::push() {
    require(m_event->pos == length(), "writes at another position than the next");
    require(!m_text.ended, "writes behind the end of the text");
    m_text.tokens.push_back(m_event->token);
}

void DecodeReplay::requireToken() const {
    require(m_event->pos >= 0 && m_event->pos < length(), "names a position without a token");
    require(
        m_text.tokens[static_cast<std::size_t>(m_event->pos)] == m_event->token,
        "names another token than the one at its position");
}

void DecodeReplay::require(bool holds, const char* fault) const {
    if (!holds) {
        throw FormatError(
            "decode log, event " + std::to_string(m_event->seq) + " (" +
            std::string(nameOf(m_event->kind)) + " at " + std::to_string(m_event->pos) + "): it " +
            fault);
    }
}

double DecodeCounts::fallbackRate() const { return share(fallbacks, smallSteps); }

double DecodeCounts::rollbackRate() const { return share(rollbacks, drafts); }

DecodeCounts& DecodeCounts::operator+=(const DecodeCounts& other) {
    smallSteps += other.smallSteps;
    bigCalls += other.bigCalls;
    bigRows += other.bigRows;
    drafts += other.drafts;
    fallbacks += other.fallbacks;
    caps += other.caps;
    agreed += other.agreed;
    tolerated += other.tolerated;
    rollbacks += other.rollbacks;
    flushed += other.flushed;
    bigTokens += other.bigTokens;
    return *this;
}

ReplayedText replay(const DecodeLog& log, std::size_t count) {
    DecodeReplay replayer(log.prompt);
    for (std::size_t i = 0; i < std::min(count, log.events.size()); ++i) {
        replayer.follow(log.events[i]);
    }
    return replayer.take();
}

} // namespace lathe
