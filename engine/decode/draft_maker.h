// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "engine/decode/decoder.h"
#include "engine/decode/token_model.h"

#include <cstdint>
#include <span>
#include <vector>

namespace lathe {

/// What RowStatistics says of a row.
struct DraftedRow {
    std::int32_t argmax = -1;
    float largest = 0.0F, logSumExp = 0.0F;
};

/// A decoder that can write some tokens by itself, greedily, before the host sees any of them.
class DraftMaker {
public:
    virtual ~DraftMaker() = default;
    virtual bool makesDrafts(ExecContext& context, const DraftLimits& limits) const = 0;
    /// Feeds `tokens` to the state and then each likeliest token as long as the limits let it, and
    /// commits what it fed. @return a row for each step, at least one; it may stop early.
    /// @param columns of the logits that count, as in RowStatistics
    virtual std::vector<DraftedRow> makeDrafts(
        ExecContext& context, DecoderState& state, std::span<const TokenId> tokens,
        const DraftLimits& limits, std::int64_t columns) const = 0;
};

} // namespace lathe
