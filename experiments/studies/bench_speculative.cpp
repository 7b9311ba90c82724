// SPDX-License-Identifier: Apache-2.0
#include "engine/base/random.h"
#include "engine/core/check.h"
#include "engine/decode/decode_cost.h"
#include "engine/decode/decoder_model.h"
#include "engine/models/llama_random.h"
#include "experiments/elapsed.h"
#include "experiments/metrics.h"
#include "experiments/studies/factories.h"
#include "experiments/studies/params.h"
#include "experiments/studies/speculative_pair.h"
#include "kernels/core/benchmark.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <numeric>

namespace lathe {

namespace {

constexpr int kMinimumRepeats = 5;
/// Prompt tokens of a call.
constexpr std::int64_t kPrefill = 64;
constexpr std::int64_t kMostPositions = 4096;

std::vector<MetricInfo> metricInfos() {
    std::vector<MetricInfo> metrics{
        {"ms_per_token", "Time per token, with drafts", "ms", -1,
         "Everything that makes tokens, the host's waits included; median of --repeat "
         "measurements, at least five"},
        {"ms_per_token_min", "Time per token, shortest", "ms", 0, {}},
        {"ms_per_token_max", "Time per token, longest", "ms", 0, {}},
        {"gain", "Gain over the big model alone", "", 1, "Ratio of the times per token"},
        {"formula_gain", "Gain by the formula", "", 0,
         "(1 - a^(g+1)) / ((1 - a) (g c + v)) with the measured c and v"},
        {"share_of_formula", "Share of the formula's gain", "", 1, {}},
        {"ideal_gain", "Gain by the formula with v = 1", "", 0,
         "As if a check took as long as a token"},
        {"share_of_ideal", "Share of that gain", "", 1, {}},
        {"big_ms_per_token", "Time per token of the big model alone", "ms", -1, {}},
        {"big_ms_per_token_min", "Big model, shortest", "ms", 0, {}},
        {"big_ms_per_token_max", "Big model, longest", "ms", 0, {}},
        {"bytes_per_token", "Bytes that the big model reads per token", "byte", -1,
         "Weights of a step and caches at the middle of the text"}};
    append(metrics, trafficMetrics());
    append(
        metrics, {{"little_ms_per_step", "Step of the little model", "ms", -1,
                   "Of the drafts between two checks, the host's wait for them shared among them"},
                  {"verify_ms", "Check of the drafts", "ms", -1, "One call of the big model"},
                  {"c", "Little step over big token", "", -1, {}},
                  {"v", "Check over big token", "", -1, {}},
                  {"tokens_per_call", "Tokens per call of the big model", "", 0, {}}});
    return metrics;
}

StudyInfo describeStudy() {
    return {
        .id = "bench.speculative",
        .title = "Decoding with drafts",
        .summary = "Times speculative decoding of random weights whose agreement is given, against "
                   "the big model alone and the formula",
        .paper = "Big Little Decoder (arXiv 2302.07863); Leviathan et al. (arXiv 2211.17192)",
        .params =
            {{.name = "shape",
              .kind = ParamKind::Choice,
              .defaultValue = "t5-large",
              .help = "Sizes of the pair",
              .choices = speculativePairNames()},
             {.name = "bits",
              .kind = ParamKind::Integer,
              .defaultValue = kDenseBits,
              .help = "Bits of a code in the blocks of LLaMA shapes, 1 to 8; 16: dense F16",
              .unit = "bit",
              .minimum = 1,
              .maximum = kDenseBits,
              .sweep = true},
             {.name = "agreement",
              .kind = ParamKind::Real,
              .defaultValue = 0.8,
              .help = "Chance that a draft is kept, given that all before it are",
              .minimum = 0.0,
              .maximum = 1.0,
              .sweep = true},
             {.name = "draft_length",
              .kind = ParamKind::Integer,
              .defaultValue = 4,
              .help = "Drafts between two calls of the big model",
              .unit = "token",
              .minimum = 1,
              .maximum = 31,
              .sweep = true},
             {.name = "context",
              .kind = ParamKind::Integer,
              .defaultValue = 128,
              .help = "Tokens in front of the measured ones",
              .unit = "token",
              .minimum = 1,
              .maximum = 2048,
              .sweep = true},
             {.name = "source",
              .kind = ParamKind::Integer,
              .defaultValue = 64,
              .help = "Tokens of the source of encoder-decoders",
              .unit = "token",
              .minimum = 1,
              .maximum = 2048,
              .advanced = true},
             {.name = "calls",
              .kind = ParamKind::Integer,
              .defaultValue = 50,
              .help = "Calls of the big model in one measurement",
              .minimum = 1,
              .maximum = 1000,
              .advanced = true}},
        .metrics = metricInfos()};
}

struct Problem {
    std::string shape;
    int bits = kDenseBits;
    double agreement = 0.8;
    std::int64_t drafts = 4, context = 128, source = 64;
    int calls = 1;
    std::uint64_t seed = 0;

    /// Positions of the longest text.
    std::int64_t positions() const { return context + (drafts + 1) * (calls + 1) + 1; }
};

Problem problemFrom(const Spec& spec) {
    const Json& params = spec.params;
    const Problem p{
        .shape = textOf(params, "shape"),
        .bits = params.at("bits").get<int>(),
        .agreement = params.at("agreement").get<double>(),
        .drafts = params.at("draft_length").get<std::int64_t>(),
        .context = params.at("context").get<std::int64_t>(),
        .source = params.at("source").get<std::int64_t>(),
        .calls = params.at("calls").get<int>(),
        .seed = spec.seed};
    LATHE_CHECK(
        p.bits == kDenseBits || p.bits <= 8,
        "--bits must be 1 to 8, or 16 for dense F16, not " + std::to_string(p.bits));
    LATHE_CHECK(
        p.positions() <= kMostPositions,
        "--context, --calls and --draft-length make a text of " + std::to_string(p.positions()) +
            " positions; at most " + std::to_string(kMostPositions) + " are possible");
    return p;
}

/// Drafts that each call keeps: each with the chance given, if those before it are kept. Drawn
/// without luck, every share of the chances once, in random order.
std::vector<std::int64_t> plannedKeeps(const Problem& p) {
    std::vector<double> shares(static_cast<std::size_t>(p.calls));
    std::iota(shares.begin(), shares.end(), 0.5);
    Random random(p.seed);
    for (std::size_t i = shares.size(); i > 1; --i) {
        std::swap(shares[i - 1], shares[random.below(i)]);
    }
    std::vector<std::int64_t> keeps;
    for (const double share : shares) {
        double chance = p.agreement;
        std::int64_t kept = 0;
        while (kept < p.drafts && share / p.calls < chance) {
            ++kept;
            chance *= p.agreement;
        }
        keeps.push_back(kept);
    }
    return keeps;
}

/// One text in one model. What it says is its own, what is kept of it is not.
class Writer {
public:
    Writer(ExecContext& exec, const RandomDecoder& random, const Problem& p, RunControl& run)
        : m_model(exec, *random.decoder),
          m_sequence(m_model.begin(p.positions(), random.encoded ? &*random.encoded : nullptr)) {
        Random ids(p.seed);
        std::vector<TokenId> prompt;
        for (std::int64_t i = 0; i < p.context; ++i) {
            prompt.push_back(static_cast<TokenId>(
                ids.below(static_cast<std::uint64_t>(m_model.vocabularySize()))));
        }
        m_last = prompt.back();
        const auto fed = std::span<const TokenId>(prompt).first(prompt.size() - 1);
        for (std::size_t from = 0; from < fed.size(); from += kPrefill) {
            run.checkpoint();
            const TokenFeed feed{
                *m_sequence, fed.subspan(from, std::min<std::size_t>(kPrefill, fed.size() - from))};
            m_model.feed({&feed, 1}, {.nothing = true});
        }
    }

    std::int64_t length() const { return m_sequence->length(); }
    void truncate(std::int64_t length) { m_sequence->truncate(length); }
    TokenId last() const { return m_last; }
    std::vector<TokenRow> feed(std::span<const TokenId> tokens, std::span<const TokenId> targets) {
        const TokenFeed one{*m_sequence, tokens, targets};
        return m_model.feed({&one, 1}, {});
    }
    /// Exactly so many greedy tokens behind `tokens`.
    std::vector<TokenId> draft(std::span<const TokenId> tokens, std::int64_t count) {
        std::vector<TokenId> drafts;
        while (static_cast<std::int64_t>(drafts.size()) < count) {
            const DraftLimits limits{.most = count - static_cast<std::int64_t>(drafts.size())};
            const std::array<TokenId, 1> next{drafts.empty() ? -1 : drafts.back()};
            for (const TokenRow& row :
                 m_model.draft(*m_sequence, drafts.empty() ? tokens : next, limits)) {
                drafts.push_back(row.argmax);
            }
        }
        return drafts;
    }

private:
    DecoderModel m_model;
    std::unique_ptr<TokenSequence> m_sequence;
    TokenId m_last = 0;
};

/// The pair at work: every method begins behind the prompt and returns milliseconds.
class Bench {
public:
    Bench(ExecContext& exec, const SpeculativePair& pair, const Problem& p, RunControl& run)
        : m_problem(p), m_keeps(plannedKeeps(p)), m_run(run), m_big(exec, pair.big, p, run),
          m_little(exec, pair.little, p, run) {}

    std::int64_t tokens() const {
        return std::accumulate(m_keeps.begin(), m_keeps.end(), std::int64_t{0}) +
               static_cast<std::int64_t>(m_keeps.size());
    }
    /// Of as many tokens as `withDrafts` makes, one by one.
    double bigAlone() {
        m_big.truncate(m_problem.context - 1);
        std::array<TokenId, 1> next{m_big.last()};
        const std::array<TokenId, 1> none{-1};
        const auto start = Clock::now();
        for (std::int64_t i = tokens(); i > 0; --i) {
            m_run.checkpoint();
            next[0] = m_big.feed(next, none).back().argmax;
        }
        return secondsSince(start) * 1e3;
    }
    double withDrafts() {
        m_big.truncate(m_problem.context - 1);
        m_little.truncate(m_problem.context - 1);
        std::vector<TokenId> unseen{m_big.last()}; // by the little model
        const auto start = Clock::now();
        for (const std::int64_t kept : m_keeps) {
            m_run.checkpoint();
            const std::vector<TokenId> drafts = m_little.draft(unseen, m_problem.drafts);
            const std::vector<TokenRow> rows = check(unseen.back(), drafts);
            // The drafts that are kept and one more token: of the big model, as always.
            const std::int64_t length = m_big.length() - m_problem.drafts + kept;
            const TokenId own = rows.at(static_cast<std::size_t>(kept)).argmax;
            m_big.truncate(length);
            unseen = kept == m_problem.drafts ? std::vector<TokenId>{drafts.back(), own}
                                              : std::vector<TokenId>{own};
            m_little.truncate(std::min(m_little.length(), length));
        }
        return secondsSince(start) * 1e3;
    }
    /// One check of drafts.
    double verify() {
        const std::vector<TokenId> drafts(static_cast<std::size_t>(m_problem.drafts), m_big.last());
        const auto start = Clock::now();
        for (int i = 0; i < m_problem.calls; ++i) {
            m_run.checkpoint();
            m_big.truncate(m_problem.context - 1);
            check(m_big.last(), drafts);
        }
        return secondsSince(start) * 1e3 / m_problem.calls;
    }
    /// One draft of those between two checks.
    double littleStep() {
        const std::array<TokenId, 1> first{m_big.last()};
        const auto start = Clock::now();
        for (int i = 0; i < m_problem.calls; ++i) {
            m_run.checkpoint();
            m_little.truncate(m_problem.context - 1);
            m_little.draft(first, m_problem.drafts);
        }
        return secondsSince(start) * 1e3 / static_cast<double>(m_problem.calls * m_problem.drafts);
    }

private:
    std::vector<TokenRow> check(TokenId last, const std::vector<TokenId>& drafts) {
        std::vector<TokenId> fed{last};
        fed.insert(fed.end(), drafts.begin(), drafts.end());
        return m_big.feed(fed, drafts);
    }

    Problem m_problem;
    std::vector<std::int64_t> m_keeps;
    RunControl& m_run;
    Writer m_big, m_little;
};

class BenchSpeculative : public Study {
public:
    const StudyInfo& info() const override { return m_info; }
    Json run(const Spec& spec, StudyContext& context) const override;
    bool loadsModels() const override { return false; }

private:
    StudyInfo m_info = describeStudy();
};

Json BenchSpeculative::run(const Spec& spec, StudyContext& context) const {
    const Problem p = problemFrom(spec);
    ExecContext& exec = context.exec;
    context.run.progress(0.0, "measuring the copy bandwidth");
    const double copyRate =
        context.cache.get<double>("copy", [&] { return measureCopyBandwidth(exec); });
    const SpeculativePair pair =
        randomPair(p.shape, p.bits, p.source, p.seed, exec, [&](const std::string& what) {
            context.run.checkpoint();
            context.run.progress(0.2, what);
        });
    Bench bench(exec, pair, p, context.run);
    context.run.progress(0.6, "timing");
    std::array<std::vector<double>, 4> times;
    const int repeats = std::max(spec.repeat, kMinimumRepeats);
    const auto tokens = static_cast<double>(bench.tokens());
    for (int repeat = -1; repeat < repeats; ++repeat) { // the first one warms up
        const std::array<double, 4> measured{
            bench.withDrafts() / tokens, bench.bigAlone() / tokens, bench.verify(),
            bench.littleStep()};
        for (std::size_t i = 0; repeat >= 0 && i < measured.size(); ++i) {
            times.at(i).push_back(measured.at(i));
        }
    }
    const double time = median(times[0]), big = median(times[1]);
    const double c = median(times[3]) / big, v = median(times[2]) / big;
    const auto drafts = static_cast<double>(p.drafts);
    const double expected = losslessTokensPerCall(p.agreement, static_cast<int>(p.drafts));
    const double formula = expected / (drafts * c + v);
    const double ideal = expected / (drafts * c + 1.0);
    const std::int64_t middle = p.context + bench.tokens() / 2;
    const std::int64_t bytes =
        pair.big.stepBytes + pair.big.sourceBytes + middle * pair.big.positionBytes;
    const double rate = static_cast<double>(bytes) / (big * 1e-3);
    Json metrics{
        {"gain", jsonNumber(big / time)},
        {"formula_gain", jsonNumber(formula)},
        {"share_of_formula", jsonNumber(big / time / formula)},
        {"ideal_gain", jsonNumber(ideal)},
        {"share_of_ideal", jsonNumber(big / time / ideal)},
        {"bytes_per_token", bytes},
        {"gb_per_s", jsonNumber(rate / 1e9)},
        {"copy_gb_per_s", jsonNumber(copyRate / 1e9)},
        {"share_of_copy", jsonNumber(rate / copyRate)},
        {"little_ms_per_step", jsonNumber(median(times[3]))},
        {"verify_ms", jsonNumber(median(times[2]))},
        {"c", jsonNumber(c)},
        {"v", jsonNumber(v)},
        {"tokens_per_call", jsonNumber(tokens / p.calls)}};
    putTiming(metrics, "ms_per_token", times[0]);
    putTiming(metrics, "big_ms_per_token", times[1]);
    return metrics;
}

} // namespace

std::unique_ptr<Study> makeBenchSpeculative() { return std::make_unique<BenchSpeculative>(); }

} // namespace lathe
