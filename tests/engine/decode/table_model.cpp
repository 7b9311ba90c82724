// SPDX-License-Identifier: Apache-2.0
#include "tests/engine/decode/table_model.h"

#include "engine/core/check.h"

#include <algorithm>
#include <cmath>

namespace lathe::test {

namespace {

class TableSequence : public TokenSequence {
public:
    explicit TableSequence(std::int64_t room) : capacity(room) {}
    std::int64_t length() const override { return static_cast<std::int64_t>(tokens.size()); }
    void truncate(std::int64_t length) override {
        LATHE_CHECK(length >= 0 && length <= this->length(), "truncated to more than is there");
        tokens.resize(static_cast<std::size_t>(length));
    }

    std::int64_t capacity;
    std::vector<TokenId> tokens;
};

/// Rows of the worked traces: probabilities of A, B, C, D, E, </s> behind <s>, A, B, C, D, E.
using TraceTable = std::array<std::array<double, 6>, 6>;

constexpr TraceTable kLittle{{
    {.90, .04, .03, .01, .01, .01},
    {.02, .80, .05, .08, .03, .02},
    {.05, .05, .70, .10, .05, .05},
    {.05, .10, .05, .55, .20, .05},
    {.01, .02, .03, .02, .90, .02},
    {.01, .01, .01, .01, .01, .95},
}};
constexpr TraceTable kBig{{
    {.85, .05, .04, .03, .02, .01},
    {.02, .10, .20, .60, .05, .03},
    {.05, .05, .50, .20, .10, .10},
    {.05, .05, .05, .10, .70, .05},
    {.05, .10, .45, .05, .30, .05},
    {.05, .05, .04, .03, .03, .80},
}};

TableModel ofTable(const TraceTable& table) {
    return {7, [&table](std::span<const TokenId> text) {
                const auto& row = table.at(static_cast<std::size_t>(text.back()));
                std::vector<double> next{0.0};
                next.insert(next.end(), row.begin(), row.end());
                return next;
            }};
}

std::vector<double> randomDistribution(std::uint64_t seed, std::int64_t vocabulary) {
    Random random(seed);
    std::vector<double> weights;
    double sum = 0.0;
    for (std::int64_t v = 0; v < vocabulary; ++v) {
        weights.push_back(std::exp(2.0 * random.normal()));
        sum += weights.back();
    }
    for (double& weight : weights) {
        weight /= sum;
    }
    return weights;
}

std::uint64_t contextOf(std::span<const TokenId> text) {
    std::uint64_t context = 0;
    for (const TokenId id : text.last(std::min<std::size_t>(3, text.size()))) {
        context = context * 131 + static_cast<std::uint64_t>(id) + 1;
    }
    return context;
}

} // namespace

std::unique_ptr<TokenSequence> TableModel::begin(std::int64_t capacity, const EncoderOutput*) {
    return std::make_unique<TableSequence>(capacity);
}

std::vector<TokenRow> TableModel::feed(std::span<const TokenFeed> feeds, const RowDetail& detail) {
    std::vector<TokenRow> rows;
    calls.emplace_back();
    for (const TokenFeed& feed : feeds) {
        auto& sequence = dynamic_cast<TableSequence&>(feed.sequence);
        LATHE_CHECK(!feed.tokens.empty(), "a text was fed no tokens");
        calls.back().emplace_back(feed.tokens.begin(), feed.tokens.end());
        for (std::size_t i = 0; i < feed.tokens.size(); ++i) {
            sequence.tokens.push_back(feed.tokens[i]);
            LATHE_CHECK(sequence.length() <= sequence.capacity, "a text outgrew its cache");
            if (detail.nothing) {
                continue;
            }
            TokenRow row{.probabilities = m_next(sequence.tokens)};
            const auto best = std::ranges::max_element(row.probabilities);
            row.argmax = static_cast<TokenId>(best - row.probabilities.begin());
            row.confidence = *best;
            if (i < feed.targets.size() && feed.targets[i] >= 0) {
                row.distance =
                    -std::log(row.probabilities.at(static_cast<std::size_t>(feed.targets[i])));
            }
            row.top = topCandidates(row.probabilities, detail.top);
            if (!detail.probabilities) {
                row.probabilities.clear();
            }
            rows.push_back(std::move(row));
        }
    }
    return rows;
}

TableModel tracesLittle() { return ofTable(kLittle); }

TableModel tracesBig() { return ofTable(kBig); }

std::string spelled(std::span<const TokenId> tokens) {
    static constexpr std::array<const char*, 7> kNames{"<s>", "A", "B", "C", "D", "E", "</s>"};
    std::string text;
    for (const TokenId id : tokens.subspan(1)) {
        text += text.empty() ? "" : " ";
        text += kNames.at(static_cast<std::size_t>(id));
    }
    return text;
}

ToyPair toyPair(std::uint64_t seed, std::int64_t vocabulary) {
    const NextToken big = [=](std::span<const TokenId> text) {
        return randomDistribution(seed * 7919 + contextOf(text), vocabulary);
    };
    const NextToken little = [=](std::span<const TokenId> text) {
        std::vector<double> near = big(text);
        const std::vector<double> noise =
            randomDistribution(seed * 104729 + 1 + contextOf(text), vocabulary);
        double sum = 0.0;
        for (std::size_t v = 0; v < near.size(); ++v) { // sharper than both: too sure of itself
            near[v] = std::pow(0.5 * near[v] + 0.5 * noise[v], 1.5);
            sum += near[v];
        }
        for (double& probability : near) {
            probability /= sum;
        }
        return near;
    };
    return {{vocabulary, little}, {vocabulary, big}};
}

std::vector<TokenId> greedy(TableModel& model, const DecodeRequest& request) {
    std::vector<TokenId> tokens = request.prompt;
    for (int made = 0; made < request.maxNew; ++made) {
        const auto sequence = model.begin(1000, nullptr);
        const TokenFeed feed{*sequence, tokens};
        const TokenId next = model.feed(std::span(&feed, 1), {}).back().argmax;
        tokens.push_back(next);
        if (std::ranges::find(request.ends, next) != request.ends.end()) {
            break;
        }
    }
    return tokens;
}

std::vector<DecodedText> decodeMany(
    TokenModel* little, TokenModel* big, std::span<const DecodeRequest> requests,
    DecodeSettings settings) {
    class Silent : public EventSink {
        void post(Event) noexcept override {}
    } sink;
    RunControl run(1, sink, {});
    std::int64_t now = 0;
    settings.clock = [&now] { return now += kTick; };
    return decodeTexts(run, {little, big}, requests, settings);
}

DecodedText decodeOne(
    TableModel& little, TableModel& big, const DecodeRequest& request, DecodeSettings settings) {
    return decodeMany(&little, &big, std::span(&request, 1), std::move(settings)).front();
}

} // namespace lathe::test
