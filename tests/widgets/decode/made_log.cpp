// SPDX-License-Identifier: GPL-3.0-or-later
#include "tests/widgets/decode/made_log.h"

#include <cmath>

namespace lathe::test {

using Kind = DecodeEventKind;

namespace {
constexpr std::int64_t kLittleNs = 1'000'000;
constexpr std::int64_t kBigNs = 5'000'000;
} // namespace

MadeLog::MadeLog(std::vector<TokenId> prompt)
    : m_tokens(std::move(prompt)), m_final(static_cast<std::int64_t>(m_tokens.size())) {
    m_log.prompt = m_tokens;
}

void MadeLog::add(DecodeEvent event) {
    event.seq = static_cast<std::int64_t>(m_log.events.size());
    event.t0Ns = m_now;
    m_now += event.kind == Kind::Verify ? kBigNs : event.rows > 0 ? kLittleNs : 0;
    event.t1Ns = m_now;
    event.kvS = m_kvS;
    event.kvL = m_kvL;
    event.n = length();
    m_log.events.push_back(event);
}

MadeLog& MadeLog::draft(TokenId token, double c) {
    const std::int64_t rows = length() - m_kvS;
    m_kvS = length();
    m_tokens.push_back(token);
    add({.kind = Kind::Draft, .pos = length() - 1, .token = token, .c = c, .rows = rows});
    return *this;
}

MadeLog& MadeLog::fallback(TokenId token, double c) {
    const std::int64_t rows = length() - m_kvS;
    m_kvS = length();
    add({.kind = Kind::Fallback, .pos = length(), .token = token, .c = c, .rows = rows});
    return *this;
}

MadeLog& MadeLog::cap() {
    add({.kind = Kind::Cap, .pos = length()});
    return *this;
}

MadeLog& MadeLog::verify(bool tail) {
    const std::int64_t from = m_kvL;
    m_kvL = length() - (tail ? 1 : 0);
    add({.kind = Kind::Verify, .pos = from, .rows = m_kvL - from});
    return *this;
}

MadeLog& MadeLog::keep(double d, TokenId argmax) {
    const std::int64_t pos = m_final++;
    const TokenId token = m_tokens[static_cast<std::size_t>(pos)];
    add(
        {.kind = token == argmax ? Kind::KeepAgreed : Kind::KeepTolerated,
         .pos = pos,
         .token = token,
         .d = d,
         .pLToken = std::exp(-d),
         .argmaxL = argmax,
         .pLArgmax = 0.6});
    return *this;
}

MadeLog& MadeLog::rollback(double d, TokenId argmax) {
    const std::int64_t pos = m_final;
    const auto at = static_cast<std::size_t>(pos);
    const std::vector<TokenId> undone(m_tokens.begin() + pos, m_tokens.end());
    m_tokens.resize(at);
    m_kvS = std::min(m_kvS, pos);
    m_kvL = pos;
    add(
        {.kind = Kind::Rollback,
         .pos = pos,
         .token = undone.front(),
         .d = d,
         .pLToken = std::exp(-d),
         .argmaxL = argmax,
         .pLArgmax = 0.6});
    for (std::size_t i = 1; i < undone.size(); ++i) {
        add({.kind = Kind::Flush, .pos = pos + static_cast<std::int64_t>(i), .token = undone[i]});
    }
    m_tokens.push_back(argmax);
    m_final = length();
    add({.kind = Kind::Replace, .pos = pos, .token = argmax, .argmaxL = argmax, .pLArgmax = 0.6});
    return *this;
}

MadeLog& MadeLog::big(TokenId token, double p) {
    m_tokens.push_back(token);
    m_final = length();
    add(
        {.kind = Kind::LargeToken,
         .pos = length() - 1,
         .token = token,
         .argmaxL = token,
         .pLArgmax = p});
    return *this;
}

MadeLog& MadeLog::eos() {
    add({.kind = Kind::Eos, .pos = length() - 1, .token = m_tokens.back()});
    return *this;
}

DecodeLog traceLog() {
    return MadeLog()
        .draft(1, 0.90)
        .draft(2, 0.80)
        .draft(3, 0.70)
        .fallback(4, 0.55)
        .verify()
        .keep(0.163, 1)
        .rollback(2.303, 4)
        .draft(5, 0.90)
        .draft(6, 0.95)
        .verify(true)
        .keep(1.204, 3)
        .keep(0.223, 6)
        .eos()
        .take();
}

std::map<TokenId, QString> tracePieces() {
    return {{0, "<s>"}, {1, "▁A"}, {2, "▁B"}, {3, "▁C"}, {4, "▁D"}, {5, "▁E"}, {6, "</s>"}};
}

DecodeStory traceStory() { return {traceLog(), tracePieces()}; }

DecodeStory longStory(int tokens) {
    constexpr int kVocabulary = 97;
    std::map<TokenId, QString> pieces;
    for (TokenId id = 0; id < kVocabulary; ++id) {
        pieces[id] = (id % 3 == 0 ? QString() : QStringLiteral("▁")) +
                     QStringLiteral("abcdefgh").left(1 + id % 8);
    }
    MadeLog log;
    int written = 0;
    for (int run = 0; written < tokens; ++run) {
        const int drafts = 2 + run % 6;
        const bool undone = run % 5 == 4;
        for (int i = 0; i < drafts; ++i) {
            log.draft((written + i * 7) % kVocabulary, 0.62 + 0.05 * i);
        }
        if (run % 7 == 6) {
            log.fallback(run % kVocabulary, 0.31);
        } else {
            log.cap();
        }
        log.verify();
        const int kept = undone ? drafts / 2 : drafts;
        for (int i = 0; i < kept; ++i) {
            const TokenId token = (written + i * 7) % kVocabulary;
            log.keep(0.1 * i, i == 2 ? (token + 1) % kVocabulary : token);
        }
        undone ? log.rollback(3.0 + run % 4, 5) : log.big(run % kVocabulary, 0.7);
        written += kept + 1;
    }
    return {log.take(), pieces};
}

} // namespace lathe::test
