// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "engine/decode/bild.h"
#include "engine/decode/token_model.h"

#include <memory>
#include <span>
#include <vector>

/// Who may write what: how a draft is chosen from the little model's row, whether the big model's
/// row keeps it, and what the big model writes itself.
namespace lathe {

struct Draft {
    TokenId token = -1;
    double confidence = 0.0; ///< the little model's largest probability here
    /// What it was drawn from; empty for a point mass (an argmax, a copied token).
    std::vector<double> drawnFrom{};
};

struct Verdict {
    enum class Kind : std::uint8_t {
        Keep,
        KeepRest, ///< this one and, unjudged, all behind it
        Undo
    };
    Kind kind = Kind::Keep;
    TokenId replacement = -1; ///< Undo
};

class DraftRule {
public:
    virtual ~DraftRule() = default;
    /// Whether rows need whole distributions.
    virtual bool samples() const = 0;
    virtual Draft draft(const TokenRow& little, Random& random) const = 0;
    /// @param big the big model's row, with the draft as its target
    virtual Verdict judge(const Draft& draft, const TokenRow& big, Random& random) const = 0;
    /// The big model's own token behind everything that it kept.
    virtual TokenId bonus(const TokenRow& big, Random& random) const = 0;
};

/// Fallback and rollback, or rejection sampling for lossless options that sample.
/// Sampling with thresholds: confidence and distance are of the distributions at temperature 1,
/// whatever shapes the draw, and a draft is undone for its distance alone.
/// @param ends ids that end a text
std::unique_ptr<DraftRule> makeDraftRule(const DraftOptions& options, std::vector<TokenId> ends);

} // namespace lathe
