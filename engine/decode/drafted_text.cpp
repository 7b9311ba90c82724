// SPDX-License-Identifier: Apache-2.0
#include "engine/decode/drafted_text.h"

#include "engine/core/check.h"

#include <algorithm>
#include <cmath>

namespace lathe {

using Kind = DecodeEventKind;

DraftedText::DraftedText(
    const DecodeRequest& request, const DraftOptions& options, const DraftRule& rule,
    std::int64_t maxLength, DecodeEventSink sink)
    : m_rule(rule), m_options(options), m_ends(request.ends), m_lookup(request.lookup),
      m_maxLength(maxLength), m_sink(std::move(sink)), m_random(request.seed),
      m_tokens(request.prompt) {
    LATHE_CHECK(!m_tokens.empty(), "the prompt has no tokens; give at least one");
    m_log.prompt = request.prompt;
    m_final = length();
}

void DraftedText::prefilled(Kind kind, std::int64_t rows, const CallSpan& span) {
    (kind == Kind::PrefillSmall ? m_kvS : m_kvL) = rows;
    record({.call = span.call, .t0Ns = span.t0Ns, .t1Ns = span.t1Ns, .kind = kind, .rows = rows});
}

void DraftedText::start() {
    if (length() >= m_maxLength) {
        m_turn = Turn::Done;
    } else if (m_options.bild.startWith == Mover::Big) {
        m_turn = Turn::Big;
    } else {
        moveLittle();
    }
}

DraftedText::Feed DraftedText::feed() {
    const std::span<const TokenId> tokens(m_tokens);
    m_targets.clear();
    if (m_turn == Turn::Little) {
        return {tokens.subspan(static_cast<std::size_t>(m_kvS)), m_targets};
    }
    for (const Draft& draft : m_drafts) {
        m_targets.push_back(draft.token);
    }
    const std::size_t from = static_cast<std::size_t>(m_kvL);
    if (m_tail) { // the last token ends the text: nothing is asked of what comes behind it
        return {tokens.subspan(from, tokens.size() - 1 - from), m_targets};
    }
    m_targets.push_back(m_thrownAway);
    return {tokens.subspan(from), m_targets};
}

DraftLimits DraftedText::draftLimits() const {
    const BildOptions& bild = m_options.bild;
    return {
        .fallback = bild.fallback,
        .ends = m_ends,
        .most = std::min<std::int64_t>(bild.maxRun - m_run, m_maxLength - length())};
}

void DraftedText::takeLittle(const TokenRow& last, const CallSpan& span) {
    const std::int64_t rows = length() - m_kvS;
    m_kvS = length();
    const double threshold = m_options.bild.fallback;
    // Not a comparison of floats where the caller says "always": a probability rounds to 1.
    if (threshold >= 1.0 || last.confidence < threshold) {
        m_thrownAway = last.argmax;
        record(
            {.call = span.call,
             .t0Ns = span.t0Ns,
             .t1Ns = span.t1Ns,
             .kind = Kind::Fallback,
             .pos = length(),
             .token = last.argmax,
             .c = last.confidence,
             .rows = rows});
        m_turn = Turn::Big;
        return;
    }
    pushDraft(m_rule.draft(last, m_random), rows, span);
    if (m_turn == Turn::Little) {
        moveLittle();
    }
}

void DraftedText::pushDraft(Draft draft, std::int64_t rows, const CallSpan& span) {
    const DecodeEvent event{
        .call = span.call,
        .t0Ns = span.t0Ns,
        .t1Ns = span.t1Ns,
        .kind = Kind::Draft,
        .pos = length(),
        .token = draft.token,
        .c = draft.confidence,
        .rows = rows};
    m_tokens.push_back(draft.token);
    m_drafts.push_back(std::move(draft));
    ++m_run;
    record(event);
    if (isAtEnd()) {
        m_tail = m_options.bild.verifyTail;
        m_turn = Turn::Big;
        if (!m_tail) {
            finish();
        }
    }
}

void DraftedText::moveLittle() {
    m_turn = Turn::Little;
    if (m_options.source == DraftSource::Text && m_run < m_options.bild.maxRun) {
        copyDrafts();
        return;
    }
    if (m_run >= m_options.bild.maxRun) {
        if (m_run > 0) {
            record({.call = m_lastCall, .kind = Kind::Cap, .pos = length()});
        }
        m_turn = Turn::Big;
    }
}

void DraftedText::copyDrafts() {
    const std::int64_t room = m_maxLength - length();
    const std::vector<TokenId> copied = copiedDrafts(
        m_lookup, m_tokens, m_options.longestMatch,
        std::min<std::int64_t>(room, m_options.bild.maxRun - m_run));
    m_turn = Turn::Big;
    for (const TokenId token : copied) {
        pushDraft(
            {.token = token, .confidence = kNotKnown}, 0,
            {.call = m_lastCall, .t0Ns = m_lastNs, .t1Ns = m_lastNs});
        if (m_tail || m_turn == Turn::Done) {
            return;
        }
    }
}

void DraftedText::takeBig(std::span<const TokenRow> rows, const CallSpan& span) {
    const std::int64_t from = m_kvL;
    m_kvL += static_cast<std::int64_t>(rows.size());
    record(
        {.call = span.call,
         .t0Ns = span.t0Ns,
         .t1Ns = span.t1Ns,
         .kind = Kind::Verify,
         .pos = from,
         .rows = static_cast<std::int64_t>(rows.size())});
    const bool tail = m_tail;
    m_tail = false;
    m_thrownAway = -1;
    const bool undone = judgeDrafts(rows, from + 1, span.call);
    m_drafts.clear();
    m_run = 0;
    m_final = length();
    if (!undone && !tail) {
        writeBonus(rows.back(), span.call);
        m_final = length();
    }
    if ((!undone && tail) || isAtEnd()) {
        finish();
    } else if (undone && m_options.bild.afterRollback == Mover::Big) {
        m_turn = Turn::Big;
    } else {
        moveLittle();
    }
}

bool DraftedText::judgeDrafts(
    std::span<const TokenRow> rows, std::int64_t from, std::int64_t call) {
    bool judging = true;
    const std::int64_t end = length();
    for (std::int64_t pos = from; pos < end; ++pos) {
        const TokenRow& row = rows[static_cast<std::size_t>(pos - from)];
        if (judging) {
            const Verdict verdict = m_rule.judge(draftAt(pos), row, m_random);
            if (verdict.kind == Verdict::Kind::Undo) {
                undo(pos, row, verdict.replacement, call);
                return true;
            }
            judging = verdict.kind == Verdict::Kind::Keep;
        }
        keep(pos, row, call);
    }
    return false;
}

const Draft& DraftedText::draftAt(std::int64_t pos) const {
    const std::int64_t first = length() - static_cast<std::int64_t>(m_drafts.size());
    return m_drafts.at(static_cast<std::size_t>(pos - first));
}

void DraftedText::keep(std::int64_t pos, const TokenRow& row, std::int64_t call) {
    const Draft& draft = draftAt(pos);
    m_final = pos + 1;
    record(
        {.call = call,
         .kind = row.argmax == draft.token ? Kind::KeepAgreed : Kind::KeepTolerated,
         .pos = pos,
         .token = draft.token,
         .c = draft.confidence,
         .d = row.distance,
         .pLToken = std::exp(-row.distance),
         .argmaxL = row.argmax,
         .pLArgmax = row.confidence});
}

void DraftedText::undo(
    std::int64_t pos, const TokenRow& row, TokenId replacement, std::int64_t call) {
    const Draft undone = draftAt(pos);
    const std::vector<TokenId> flushed(m_tokens.begin() + pos + 1, m_tokens.end());
    m_tokens.resize(static_cast<std::size_t>(pos));
    m_kvS = std::min(m_kvS, pos);
    m_kvL = pos;
    record(
        {.call = call,
         .kind = Kind::Rollback,
         .pos = pos,
         .token = undone.token,
         .c = undone.confidence,
         .d = row.distance,
         .pLToken = std::exp(-row.distance),
         .argmaxL = row.argmax,
         .pLArgmax = row.confidence});
    for (std::size_t i = 0; i < flushed.size(); ++i) {
        record(
            {.call = call,
             .kind = Kind::Flush,
             .pos = pos + 1 + static_cast<std::int64_t>(i),
             .token = flushed[i]});
    }
    m_tokens.push_back(replacement);
    record(
        {.call = call,
         .kind = Kind::Replace,
         .pos = pos,
         .token = replacement,
         .argmaxL = row.argmax,
         .pLArgmax = row.confidence});
}

void DraftedText::writeBonus(const TokenRow& row, std::int64_t call) {
    const TokenId token = m_rule.bonus(row, m_random);
    m_tokens.push_back(token);
    record(
        {.call = call,
         .kind = Kind::LargeToken,
         .pos = length() - 1,
         .token = token,
         .argmaxL = row.argmax,
         .pLArgmax = row.confidence});
}

void DraftedText::finish() {
    m_turn = Turn::Done;
    if (endsWith(m_tokens.back())) {
        record(
            {.call = m_lastCall, .kind = Kind::Eos, .pos = length() - 1, .token = m_tokens.back()});
    }
}

bool DraftedText::endsWith(TokenId token) const {
    return std::ranges::find(m_ends, token) != m_ends.end();
}

bool DraftedText::isAtEnd() const { return length() >= m_maxLength || endsWith(m_tokens.back()); }

void DraftedText::record(DecodeEvent event) {
    if (event.t1Ns == 0) { // a decision takes no time of its own
        event.t0Ns = event.t1Ns = m_lastNs;
    }
    event.seq = static_cast<std::int64_t>(m_log.events.size());
    event.kvS = m_kvS;
    event.kvL = m_kvL;
    event.n = length();
    m_lastCall = event.call;
    m_lastNs = event.t1Ns;
    m_log.events.push_back(event);
    if (m_sink) {
        m_sink(m_log.events.back());
    }
}

std::vector<TokenId> copiedDrafts(
    std::span<const TokenId> before, std::span<const TokenId> text, int longestMatch,
    std::int64_t count) {
    std::vector<TokenId> all(before.begin(), before.end());
    all.insert(all.end(), text.begin(), text.end());
    const auto own = static_cast<std::ptrdiff_t>(text.size());
    const auto limit = std::min<std::ptrdiff_t>(longestMatch, own);
    for (std::ptrdiff_t match = limit; match > 0; --match) {
        const auto tail = all.end() - match;
        const auto found = std::find_end(all.begin(), all.end() - 1, tail, all.end());
        if (found != all.end() - 1) {
            const auto from = static_cast<std::size_t>(found + match - all.begin());
            const std::size_t end = all.size();
            for (std::size_t i = 0; i < static_cast<std::size_t>(count); ++i) {
                all.push_back(all[from + i]); // beyond the end: what was just copied
            }
            return {all.begin() + static_cast<std::ptrdiff_t>(end), all.end()};
        }
    }
    return {};
}

} // namespace lathe
