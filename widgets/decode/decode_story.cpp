// SPDX-License-Identifier: GPL-3.0-or-later
#include "widgets/decode/decode_story.h"

#include "engine/core/error.h"

#include <QCoreApplication>

#include <algorithm>

namespace lathe {

namespace {

using Kind = DecodeEventKind;

QString tr(const char* text) { return QCoreApplication::translate("DecodeStory", text); }

constexpr double kNsPerMs = 1e6;

bool isBig(Kind kind) {
    return kind == Kind::EncodeLarge || kind == Kind::PrefillLarge || kind == Kind::Verify;
}

/// Whether a model ran: a copied draft needs none.
bool isCall(const DecodeEvent& event) {
    switch (event.kind) {
    case Kind::EncodeSmall:
    case Kind::EncodeLarge:
    case Kind::PrefillSmall:
    case Kind::PrefillLarge:
    case Kind::Fallback:
    case Kind::Verify:
        return true;
    case Kind::Draft:
        return event.rows > 0;
    default:
        return false;
    }
}

} // namespace

QString fateText(TokenFate fate) {
    switch (fate) {
    case TokenFate::Drafted:
        return tr("drafted, not judged");
    case TokenFate::Agreed:
        return tr("kept, agreed");
    case TokenFate::Tolerated:
        return tr("kept, tolerated");
    case TokenFate::RolledBack:
        return tr("rolled back");
    case TokenFate::Flushed:
        return tr("flushed");
    case TokenFate::ThrownAway:
        return tr("thrown away, unsure");
    case TokenFate::Big:
        return tr("by the big model");
    case TokenFate::Replacement:
        return tr("replacement by the big model");
    }
    return {};
}

bool isInText(TokenFate fate) {
    return fate != TokenFate::RolledBack && fate != TokenFate::Flushed &&
           fate != TokenFate::ThrownAway;
}

QString handOverText(HandOver cause) {
    switch (cause) {
    case HandOver::LowConfidence:
        return tr("low confidence");
    case HandOver::Cap:
        return tr("enough drafts");
    case HandOver::Copied:
        return tr("all that was copied");
    case HandOver::Tail:
        return tr("end of the text");
    case HandOver::Start:
        return tr("its own turn");
    }
    return {};
}

std::optional<TokenFate> TokenLife::fateAt(int events) const {
    if (born < 0 || born >= events) {
        return std::nullopt;
    }
    return judged >= 0 && judged < events ? fate : TokenFate::Drafted;
}

DecodeStory::DecodeStory(DecodeLog log, std::map<TokenId, QString> pieces)
    : m_replay(log.prompt), m_pieces(std::move(pieces)) {
    m_log.prompt = std::move(log.prompt);
    m_log.events.reserve(log.events.size());
    for (const DecodeEvent& event : log.events) {
        m_replay.follow(event);
        take(event);
    }
}

void DecodeStory::append(
    const DecodeEvent& event, const QString& piece, const QString& argmaxPiece) {
    DecodeReplay next = m_replay; // what has followed a wrong event is of no use any more
    next.follow(event);
    take(event);
    m_replay = std::move(next);
    for (const auto& [id, text] : {std::pair(event.token, piece), {event.argmaxL, argmaxPiece}}) {
        if (id >= 0 && !text.isEmpty()) {
            m_pieces[id] = text;
        }
    }
}

TokenLife& DecodeStory::newLife(const DecodeEvent& event, TokenFate fate) {
    const auto [first, last] = livesAt(event.pos);
    TokenLife life{.token = event.token, .pos = event.pos, .attempt = last - first};
    life.born = events();
    life.judged = fate == TokenFate::Drafted ? -1 : life.born;
    life.fate = fate;
    life.c = event.c;
    life.d = event.d;
    life.argmaxL = event.argmaxL;
    life.pLArgmax = event.pLArgmax;
    life.ms = static_cast<double>(event.t1Ns - event.t0Ns) / kNsPerMs;
    return *m_lives.insert(m_lives.begin() + last, life);
}

TokenLife& DecodeStory::newestAt(std::int64_t pos) {
    const auto [first, last] = livesAt(pos);
    if (first == last) { // of the prompt
        throw FormatError(
            "decode log, event " + std::to_string(events()) + ": it judges position " +
            std::to_string(pos) + ", for which nothing was proposed");
    }
    return m_lives[static_cast<std::size_t>(last - 1)];
}

void DecodeStory::judge(const DecodeEvent& event, TokenFate fate) {
    TokenLife& life = newestAt(event.pos);
    life.fate = fate;
    life.judged = events();
    if (fate == TokenFate::Flushed) { // nobody looked at it
        return;
    }
    life.d = event.d;
    life.argmaxL = event.argmaxL;
    life.pLArgmax = event.pLArgmax;
}

/// A token of the big model. What it overrules right here is no draft, but the last prediction
/// that was thrown away.
void DecodeStory::takeBigToken(const DecodeEvent& event, TokenFate fate) {
    TokenLife& life = newLife(event, fate);
    if (!m_calls.empty()) {
        life.ms = static_cast<double>(m_calls.back().t1Ns - m_calls.back().t0Ns) / kNsPerMs;
    }
    auto before = m_log.events.rbegin();
    while (before != m_log.events.rend() &&
           (before->kind == Kind::Verify || before->kind == Kind::KeepAgreed ||
            before->kind == Kind::KeepTolerated)) {
        ++before;
    }
    if (before != m_log.events.rend() && before->kind == Kind::Fallback &&
        before->pos == event.pos && life.attempt > 0) {
        TokenLife& thrown = m_lives[static_cast<std::size_t>(find(event.pos, life.attempt - 1))];
        thrown.argmaxL = event.argmaxL;
        thrown.pLArgmax = event.pLArgmax;
    }
}

void DecodeStory::take(const DecodeEvent& event) {
    if (isCall(event)) {
        m_calls.push_back(
            {.big = isBig(event.kind),
             .kind = event.kind,
             .event = events(),
             .t0Ns = event.t0Ns,
             .t1Ns = event.t1Ns,
             .rows = event.rows,
             .wasted = event.kind == Kind::Fallback});
    }
    switch (event.kind) {
    case Kind::Draft:
        newLife(event, TokenFate::Drafted);
        break;
    case Kind::Fallback:
        newLife(event, TokenFate::ThrownAway);
        break;
    case Kind::KeepAgreed:
        judge(event, TokenFate::Agreed);
        break;
    case Kind::KeepTolerated:
        judge(event, TokenFate::Tolerated);
        break;
    case Kind::Rollback:
    case Kind::Flush: {
        judge(event, event.kind == Kind::Flush ? TokenFate::Flushed : TokenFate::RolledBack);
        const int born = newestAt(event.pos).born;
        const auto call = std::ranges::lower_bound(m_calls, born, {}, &ModelCall::event);
        if (call != m_calls.end() && call->event == born) {
            call->wasted = true;
        }
        break;
    }
    case Kind::Replace:
        takeBigToken(event, TokenFate::Replacement);
        break;
    case Kind::LargeToken:
        takeBigToken(event, TokenFate::Big);
        break;
    case Kind::Eos:
        m_end = m_end < 0 ? events() : m_end;
        break;
    default:
        break;
    }
    m_times.push_back(isCall(event) ? event.t1Ns : timeOf(events()));
    m_log.events.push_back(event);
}

std::int64_t DecodeStory::endNs() const { return m_times.empty() ? 0 : m_times.back(); }

std::pair<int, int> DecodeStory::livesAt(std::int64_t pos) const {
    const auto range = std::ranges::equal_range(m_lives, pos, {}, &TokenLife::pos);
    return {
        static_cast<int>(range.begin() - m_lives.begin()),
        static_cast<int>(range.end() - m_lives.begin())};
}

int DecodeStory::find(std::int64_t pos, int attempt) const {
    const auto [first, last] = livesAt(pos);
    return attempt >= 0 && attempt < last - first ? first + attempt : -1;
}

std::int64_t DecodeStory::lengthAt(int events) const {
    const int count = std::min(events, this->events());
    return count > 0 ? m_log.events[static_cast<std::size_t>(count - 1)].n
                     : static_cast<std::int64_t>(m_log.prompt.size());
}

bool DecodeStory::endedAt(int events) const { return m_end >= 0 && m_end < events; }

QString DecodeStory::piece(TokenId token) const {
    const auto found = m_pieces.find(token);
    if (found == m_pieces.end()) {
        return QStringLiteral("<%1>").arg(token);
    }
    // SentencePiece's space, and the space and the line end of byte-level vocabularies.
    return QString(found->second)
        .replace(QChar(0x2581), QLatin1Char(' '))
        .replace(QChar(0x0120), QLatin1Char(' '))
        .replace(QChar(0x010A), QLatin1Char('\n'));
}

QString DecodeStory::textAt(int events) const {
    const TokenId end = endedAt(events) ? m_log.events[static_cast<std::size_t>(m_end)].token : -1;
    const std::int64_t length = lengthAt(events);
    QString text;
    for (const TokenLife& life : m_lives) {
        const std::optional<TokenFate> fate = life.fateAt(events);
        // A rollback cuts the text before its flushes come.
        if (fate && life.pos < length && isInText(*fate) && (end < 0 || life.token != end)) {
            text += piece(life.token);
        }
    }
    return text;
}

int DecodeStory::eventsAt(std::int64_t ns) const {
    return static_cast<int>(std::ranges::upper_bound(m_times, ns) - m_times.begin());
}

std::int64_t DecodeStory::timeOf(int event) const {
    if (event <= 0 || m_times.empty()) {
        return m_log.events.empty() ? 0 : m_log.events.front().t0Ns;
    }
    return m_times[std::min(static_cast<std::size_t>(event), m_times.size()) - 1];
}

DecodeCounts DecodeStory::countsAt(int events) const {
    return replay(m_log, static_cast<std::size_t>(std::max(events, 0))).counts;
}

std::vector<int> DecodeStory::runLengths() const {
    std::vector<int> lengths;
    int run = 0;
    for (const DecodeEvent& event : m_log.events) {
        run += event.kind == Kind::Draft ? 1 : 0;
        if (event.kind == Kind::Verify) {
            lengths.push_back(run);
            run = 0;
        }
    }
    return lengths;
}

std::vector<int> DecodeStory::rollbackDistances() const {
    std::vector<int> distances;
    for (const DecodeEvent& event : m_log.events) {
        if (event.kind == Kind::Rollback) {
            distances.push_back(1);
        } else if (event.kind == Kind::Flush) { // a replayed log has its rollback before it
            ++distances.back();
        }
    }
    return distances;
}

std::map<HandOver, int> DecodeStory::handOvers() const {
    std::map<HandOver, int> causes;
    HandOver cause = HandOver::Start;
    for (const DecodeEvent& event : m_log.events) {
        switch (event.kind) {
        case Kind::Draft: // of the little model: what neither a fallback nor a cap follows ends
            cause = event.rows > 0 ? HandOver::Tail : HandOver::Copied;
            break;
        case Kind::Fallback:
            cause = HandOver::LowConfidence;
            break;
        case Kind::Cap:
            cause = HandOver::Cap;
            break;
        case Kind::Verify:
            // The token that ends a text is judged but never read.
            ++causes[cause == HandOver::Copied && event.kvL < event.n ? HandOver::Tail : cause];
            cause = HandOver::Start;
            break;
        default:
            break;
        }
    }
    return causes;
}

} // namespace lathe
