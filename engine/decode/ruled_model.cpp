// SPDX-License-Identifier: Apache-2.0
#include "engine/decode/ruled_model.h"

#include "engine/core/check.h"

#include <algorithm>
#include <numeric>
#include <set>
#include <string>

namespace lathe {

namespace {

/// Knows its text, which the rules are about.
class RuledSequence : public TokenSequence {
public:
    explicit RuledSequence(std::unique_ptr<TokenSequence> sequence)
        : m_sequence(std::move(sequence)) {}
    std::int64_t length() const override { return m_sequence->length(); }
    void truncate(std::int64_t length) override {
        m_sequence->truncate(length);
        m_text.resize(static_cast<std::size_t>(length));
    }
    TokenSequence& inner() { return *m_sequence; }
    std::vector<TokenId>& text() { return m_text; }

private:
    std::unique_ptr<TokenSequence> m_sequence;
    std::vector<TokenId> m_text;
};

RuledSequence& ruled(TokenSequence& sequence) {
    auto* own = dynamic_cast<RuledSequence*>(&sequence);
    if (own == nullptr) {
        throw InternalError("a sequence of another kind of model was fed to one under rules");
    }
    return *own;
}

/// Row statistics of probabilities, as DecoderModel gives them of logits.
TokenRow rowOf(std::vector<double> probabilities, TokenId target, const RowDetail& detail) {
    const auto best = std::ranges::max_element(probabilities);
    TokenRow row{
        .argmax = static_cast<TokenId>(best - probabilities.begin()),
        .confidence = *best,
        .top = topCandidates(probabilities, detail.top)};
    if (target >= 0) {
        row.distance = -std::log(probabilities[static_cast<std::size_t>(target)]);
    }
    if (detail.probabilities) {
        row.probabilities = std::move(probabilities);
    }
    return row;
}

} // namespace

RuledModel::RuledModel(std::unique_ptr<TokenModel> model, TokenRules rules)
    : m_model(std::move(model)), m_rules(std::move(rules)) {
    LATHE_CHECK(m_rules.repetitionPenalty > 0.0, "a repetition penalty must be above 0");
    for (const std::vector<TokenId>& run : m_rules.banned) {
        LATHE_CHECK(!run.empty(), "a banned word has no tokens");
        for (const TokenId id : run) {
            LATHE_CHECK(
                id >= 0 && id < vocabularySize(), "the banned token " + std::to_string(id) +
                                                      " is not in a vocabulary of " +
                                                      std::to_string(vocabularySize()));
        }
    }
}

std::unique_ptr<TokenSequence>
RuledModel::begin(std::int64_t capacity, const EncoderOutput* encoder) {
    return std::make_unique<RuledSequence>(m_model->begin(capacity, encoder));
}

std::vector<TokenRow> RuledModel::feed(std::span<const TokenFeed> feeds, const RowDetail& detail) {
    std::vector<TokenFeed> inner;
    inner.reserve(feeds.size());
    for (const TokenFeed& feed : feeds) {
        inner.push_back({ruled(feed.sequence).inner(), feed.tokens});
    }
    std::vector<TokenRow> rows =
        m_model->feed(inner, {.nothing = detail.nothing, .probabilities = !detail.nothing});
    auto row = rows.begin();
    for (const TokenFeed& feed : feeds) {
        std::vector<TokenId>& text = ruled(feed.sequence).text();
        for (std::size_t i = 0; i < feed.tokens.size(); ++i) {
            text.push_back(feed.tokens[i]);
            if (!detail.nothing) {
                const TokenId target = i < feed.targets.size() ? feed.targets[i] : -1;
                std::vector<double> probabilities = std::move(row->probabilities);
                apply(text, probabilities);
                *row++ = rowOf(std::move(probabilities), target, detail);
            }
        }
    }
    return rows;
}

void RuledModel::apply(std::span<const TokenId> text, std::vector<double>& probabilities) const {
    if (m_rules.repetitionPenalty != 1.0) {
        for (const TokenId id : std::set<TokenId>(text.begin(), text.end())) {
            double& probability = probabilities[static_cast<std::size_t>(id)];
            probability = std::pow(probability, m_rules.repetitionPenalty);
        }
    }
    for (const std::vector<TokenId>& run : m_rules.banned) {
        const std::span<const TokenId> before(run.data(), run.size() - 1);
        if (before.size() <= text.size() && std::ranges::equal(before, text.last(before.size()))) {
            probabilities[static_cast<std::size_t>(run.back())] = 0.0;
        }
    }
    const double sum = std::accumulate(probabilities.begin(), probabilities.end(), 0.0);
    LATHE_CHECK(sum > 0.0, "the banned words leave nothing to say; ban fewer");
    for (double& probability : probabilities) {
        probability /= sum;
    }
}

} // namespace lathe
