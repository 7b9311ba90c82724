// SPDX-License-Identifier: Apache-2.0
#include "engine/decode/draft_rule.h"

#include "engine/decode/distribution.h"

#include <algorithm>
#include <cmath>

namespace lathe {

namespace {

/// Both models take their first choice; drafts are judged by distance.
class GreedyRule : public DraftRule {
public:
    GreedyRule(const BildOptions& options, std::vector<TokenId> ends)
        : m_options(options), m_ends(std::move(ends)) {}

    bool samples() const override { return false; }

    Draft draft(const TokenRow& little, Random&) const override {
        return {.token = little.argmax, .confidence = little.confidence};
    }

    Verdict judge(const Draft& draft, const TokenRow& big, Random&) const override {
        const bool beyond = m_options.rollback <= 0.0 || isBeyond(big);
        if (big.argmax != draft.token && (beyond || overshoots(draft.token, big.argmax))) {
            return {.kind = Verdict::Kind::Undo, .replacement = big.argmax};
        }
        const bool masks = m_options.maskedSearch && isBeyond(big);
        return {.kind = masks ? Verdict::Kind::KeepRest : Verdict::Kind::Keep};
    }

    TokenId bonus(const TokenRow& big, Random&) const override { return big.argmax; }

protected:
    bool isBeyond(const TokenRow& big) const {
        const double allowance =
            m_options.metric == RollbackMetric::Relative ? -std::log(big.confidence) : 0.0;
        return big.distance - allowance > m_options.rollback;
    }
    bool overshoots(TokenId draft, TokenId choice) const {
        return m_options.overshootGuard && isEnd(choice) && !isEnd(draft);
    }

private:
    bool isEnd(TokenId id) const { return std::ranges::find(m_ends, id) != m_ends.end(); }

    BildOptions m_options;
    std::vector<TokenId> m_ends;
};

/// Both models draw their tokens; drafts are judged by the distance of what was drawn.
class SampledRule : public GreedyRule {
public:
    SampledRule(const DraftOptions& options, std::vector<TokenId> ends)
        : GreedyRule(options.bild, std::move(ends)), m_sampling(options.sampling) {}

    bool samples() const override { return true; }

    Draft draft(const TokenRow& little, Random& random) const override {
        return {
            .token = drawFrom(warped(little.probabilities, m_sampling), random),
            .confidence = little.confidence};
    }

    Verdict judge(const Draft& draft, const TokenRow& big, Random& random) const override {
        if (isBeyond(big) || overshoots(draft.token, big.argmax)) {
            return {.kind = Verdict::Kind::Undo, .replacement = bonus(big, random)};
        }
        return {};
    }

    TokenId bonus(const TokenRow& big, Random& random) const override {
        return drawFrom(warped(big.probabilities, m_sampling), random);
    }

private:
    SamplingOptions m_sampling;
};

/// Rejection sampling: what comes out is distributed as the big model's own draws.
class LosslessRule : public DraftRule {
public:
    explicit LosslessRule(const SamplingOptions& sampling) : m_sampling(sampling) {}

    bool samples() const override { return true; }

    Draft draft(const TokenRow& little, Random& random) const override {
        Draft draft{.confidence = little.confidence};
        draft.drawnFrom = warped(little.probabilities, m_sampling);
        draft.token = drawFrom(draft.drawnFrom, random);
        return draft;
    }

    Verdict judge(const Draft& draft, const TokenRow& big, Random& random) const override {
        const std::vector<double> p = warped(big.probabilities, m_sampling);
        std::vector<double> q = draft.drawnFrom;
        const auto token = static_cast<std::size_t>(draft.token);
        if (q.empty()) { // a point mass: its probability is 1, not what the little model gave it
            q.assign(p.size(), 0.0);
            q[token] = 1.0;
        }
        if (random.uniform() * q[token] < p[token]) {
            return {};
        }
        return {.kind = Verdict::Kind::Undo, .replacement = drawFrom(residual(p, q), random)};
    }

    TokenId bonus(const TokenRow& big, Random& random) const override {
        return drawFrom(warped(big.probabilities, m_sampling), random);
    }

private:
    SamplingOptions m_sampling;
};

} // namespace

std::unique_ptr<DraftRule> makeDraftRule(const DraftOptions& options, std::vector<TokenId> ends) {
    checkOptions(options);
    if (options.sampling.greedy) {
        return std::make_unique<GreedyRule>(options.bild, std::move(ends));
    }
    if (options.lossless) {
        return std::make_unique<LosslessRule>(options.sampling);
    }
    return std::make_unique<SampledRule>(options, std::move(ends));
}

} // namespace lathe
