// SPDX-License-Identifier: Apache-2.0
#include "engine/decode/decode_texts.h"

#include "engine/core/check.h"

#include <algorithm>

namespace lathe {

namespace {

using Kind = DecodeEventKind;
using Turn = DraftedText::Turn;

/// Prompt tokens of a call that only fills a cache: rows of logits are made for all of them.
constexpr std::int64_t kPrefillChunk = 64;

struct Sequences {
    std::unique_ptr<TokenSequence> little, big;
    int waited = 0; ///< little calls since the text has waited for the big model
};

class Batch {
public:
    Batch(
        RunControl& run, const DecodeModels& models, std::span<const DecodeRequest> requests,
        const DecodeSettings& settings)
        : m_run(run), m_requests(requests), m_settings(settings) {
        m_models.little = usesLittle(settings.options) ? models.little : nullptr;
        m_models.big = usesBig(settings.options) ? models.big : nullptr;
        check(models);
        if (settings.rule == nullptr) {
            // Ends may differ between requests; they matter to the overshoot guard.
            for (const DecodeRequest& request : requests) {
                m_rules.push_back(makeDraftRule(settings.options, request.ends));
            }
        }
        m_origin = m_settings.clock();
        for (std::size_t i = 0; i < requests.size(); ++i) {
            addText(i);
        }
    }

    std::vector<DecodedText> decode() {
        for (DraftedText& text : m_texts) {
            text.start();
        }
        for (;;) {
            m_run.checkpoint();
            const std::vector<std::size_t> drafting = waitingFor(Turn::Little);
            const std::vector<std::size_t> parked = waitingFor(Turn::Big);
            if (drafting.empty() && parked.empty()) {
                return take();
            }
            if (drafting.empty() || isTimeForBig(parked)) {
                callBig(parked);
            } else if (draftsAlone()) {
                draft();
            } else {
                callLittle(drafting);
                for (const std::size_t i : parked) {
                    ++m_sequences[i].waited;
                }
            }
        }
    }

private:
    void check(const DecodeModels& given) const {
        checkOptions(m_settings.options);
        LATHE_CHECK(
            given.little != nullptr || !usesLittle(m_settings.options),
            "this strategy drafts with a little model; give one");
        LATHE_CHECK(
            given.big != nullptr || !usesBig(m_settings.options),
            "this strategy needs a big model; give one");
        if (m_models.little != nullptr && m_models.big != nullptr) {
            LATHE_CHECK(
                m_models.little->vocabularySize() == m_models.big->vocabularySize(),
                "the big model has " + std::to_string(m_models.big->vocabularySize()) +
                    " ids, the little one " + std::to_string(m_models.little->vocabularySize()) +
                    "; a pair needs the same vocabulary");
        }
    }

    /// Tokens with the prompt, at which a text ends. The last one is never fed.
    std::int64_t maxLength(const DecodeRequest& request) const {
        LATHE_CHECK(
            request.maxNew >= 0,
            "the number of new tokens is " + std::to_string(request.maxNew) + ", below 0");
        const auto given = static_cast<std::int64_t>(request.prompt.size());
        std::int64_t length = given + request.maxNew;
        for (const TokenModel* model : {m_models.little, m_models.big}) {
            if (model != nullptr) {
                LATHE_CHECK(
                    given <= model->maxPositions(),
                    "the prompt has " + std::to_string(given) + " tokens, a model has " +
                        std::to_string(model->maxPositions()) + " positions");
                length = std::min(length - 1, model->maxPositions()) + 1;
            }
        }
        return length;
    }

    void addText(std::size_t i) {
        const DecodeRequest& request = m_requests[i];
        const std::int64_t limit = maxLength(request);
        DecodeEventSink sink;
        if (m_settings.onEvent) {
            sink = [this, i](const DecodeEvent& event) { m_settings.onEvent(i, event); };
        }
        const DraftRule& rule = m_settings.rule != nullptr ? *m_settings.rule : *m_rules[i];
        m_texts.emplace_back(request, m_settings.options, rule, limit, std::move(sink));
        m_sequences.emplace_back();
        const std::int64_t capacity = std::max<std::int64_t>(limit - 1, 1);
        if (m_models.little != nullptr) {
            m_sequences[i].little = m_models.little->begin(capacity, request.littleEncoder);
            prefill(*m_models.little, *m_sequences[i].little, i, Kind::PrefillSmall);
        }
        if (m_models.big != nullptr) {
            m_sequences[i].big = m_models.big->begin(capacity, request.bigEncoder);
            prefill(*m_models.big, *m_sequences[i].big, i, Kind::PrefillLarge);
        }
    }

    void prefill(TokenModel& model, TokenSequence& sequence, std::size_t i, Kind kind) {
        const std::span<const TokenId> prompt(m_requests[i].prompt);
        const auto rows = static_cast<std::int64_t>(prompt.size()) - 1;
        for (std::int64_t from = 0; from < rows; from += kPrefillChunk) {
            m_run.checkpoint();
            const auto count = std::min(kPrefillChunk, rows - from);
            const TokenFeed feed{
                sequence,
                prompt.subspan(static_cast<std::size_t>(from), static_cast<std::size_t>(count))};
            model.feed(std::span(&feed, 1), {.nothing = true});
        }
        m_texts[i].prefilled(kind, rows, nextSpan());
    }

    std::vector<std::size_t> waitingFor(Turn turn) const {
        std::vector<std::size_t> texts;
        for (std::size_t i = 0; i < m_texts.size(); ++i) {
            if (m_texts[i].turn() == turn) {
                texts.push_back(i);
            }
        }
        return texts;
    }

    bool isTimeForBig(std::span<const std::size_t> parked) const {
        const BatchPolicy& policy = m_settings.policy;
        const bool enough = policy.enough > 0 && parked.size() >= policy.enough;
        const bool overdue = policy.patience > 0 && std::ranges::any_of(parked, [&](std::size_t i) {
                                 return m_sequences[i].waited >= policy.patience;
                             });
        return enough || overdue;
    }

    RowDetail detail(std::size_t text) const {
        const DraftRule* rule = m_settings.rule != nullptr ? m_settings.rule : m_rules[text].get();
        return {.probabilities = rule->samples()};
    }

    void callLittle(std::span<const std::size_t> texts) {
        std::vector<TokenFeed> feeds;
        for (const std::size_t i : texts) {
            TokenSequence& sequence = *m_sequences[i].little;
            sequence.truncate(m_texts[i].littleLength());
            feeds.push_back({sequence, m_texts[i].feed().tokens});
        }
        const std::vector<TokenRow> rows = m_models.little->feed(feeds, detail(texts.front()));
        const CallSpan span = nextSpan();
        std::size_t end = 0;
        for (std::size_t k = 0; k < texts.size(); ++k) {
            end += feeds[k].tokens.size();
            m_texts[texts[k]].takeLittle(rows.at(end - 1), span);
        }
    }

    /// One text that draws nothing, and a little model that needs nobody between its steps.
    bool draftsAlone() const {
        return m_texts.size() == 1 && !detail(0).probabilities &&
               m_models.little->draftsAlone(m_texts.front().draftLimits());
    }

    /// All steps until the big model's turn, as far as the little model goes. Each gets an equal
    /// share of the time: the host saw them together.
    void draft() {
        DraftedText& text = m_texts.front();
        TokenSequence& sequence = *m_sequences.front().little;
        sequence.truncate(text.littleLength());
        const std::vector<TokenRow> rows =
            m_models.little->draft(sequence, text.feed().tokens, text.draftLimits());
        const std::int64_t from = m_lastNs, took = m_settings.clock() - m_origin - from;
        const auto count = static_cast<std::int64_t>(rows.size());
        for (std::int64_t i = 0; i < count && text.turn() == Turn::Little; ++i) {
            const std::int64_t end = from + took * (i + 1) / count;
            text.takeLittle(
                rows[static_cast<std::size_t>(i)],
                {.call = m_calls++, .t0Ns = m_lastNs, .t1Ns = end});
            m_lastNs = end;
        }
    }

    void callBig(std::span<const std::size_t> texts) {
        std::vector<TokenFeed> feeds;
        for (const std::size_t i : texts) {
            TokenSequence& sequence = *m_sequences[i].big;
            sequence.truncate(m_texts[i].bigLength());
            const DraftedText::Feed feed = m_texts[i].feed();
            feeds.push_back({sequence, feed.tokens, feed.targets});
        }
        const std::vector<TokenRow> rows = m_models.big->feed(feeds, detail(texts.front()));
        const CallSpan span = nextSpan();
        std::size_t from = 0;
        for (std::size_t k = 0; k < texts.size(); ++k) {
            const std::size_t count = feeds[k].tokens.size();
            m_texts[texts[k]].takeBig(std::span(rows).subspan(from, count), span);
            m_sequences[texts[k]].waited = 0;
            from += count;
        }
    }

    /// From the end of the call before until now, so that no time is left out.
    CallSpan nextSpan() {
        const std::int64_t now = m_settings.clock() - m_origin;
        const CallSpan span{.call = m_calls++, .t0Ns = m_lastNs, .t1Ns = now};
        m_lastNs = now;
        return span;
    }

    std::vector<DecodedText> take() {
        std::vector<DecodedText> decoded;
        const std::int64_t wall = m_settings.clock() - m_origin;
        for (std::size_t i = 0; i < m_texts.size(); ++i) {
            decoded.push_back(
                {.tokens = m_texts[i].tokens(),
                 .promptLength = static_cast<std::int64_t>(m_requests[i].prompt.size()),
                 .finalLength = m_texts[i].finalLength(),
                 .log = m_texts[i].log(),
                 .wallNs = wall});
        }
        return decoded;
    }

    RunControl& m_run;
    DecodeModels m_models;
    std::span<const DecodeRequest> m_requests;
    const DecodeSettings& m_settings;
    std::vector<std::unique_ptr<DraftRule>> m_rules;
    std::vector<DraftedText> m_texts;
    std::vector<Sequences> m_sequences;
    std::int64_t m_origin = 0, m_lastNs = 0, m_calls = 0;
};

} // namespace

bool usesLittle(const DraftOptions& options) {
    return options.source == DraftSource::Model && options.bild.maxRun > 0;
}

/// Drafts that are never handed over, nor judged when the text ends.
bool usesBig(const DraftOptions& options) {
    const BildOptions& bild = options.bild;
    return bild.fallback > 0.0 || bild.maxRun < kUnlimitedRun || bild.verifyTail ||
           bild.startWith == Mover::Big || options.source == DraftSource::Text;
}

std::int64_t steadyNanoseconds() {
    return std::chrono::duration_cast<std::chrono::nanoseconds>(
               std::chrono::steady_clock::now().time_since_epoch())
        .count();
}

std::vector<DecodedText> decodeTexts(
    RunControl& run, const DecodeModels& models, std::span<const DecodeRequest> requests,
    const DecodeSettings& settings) {
    if (requests.empty()) {
        return {};
    }
    return Batch(run, models, requests, settings).decode();
}

} // namespace lathe
