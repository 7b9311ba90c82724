// SPDX-License-Identifier: Apache-2.0
#include "engine/decode/token_model.h"

#include <algorithm>
#include <array>

namespace lathe {

bool goesOn(const TokenRow& row, const DraftLimits& limits, std::int64_t steps) {
    return steps < limits.most && limits.fallback < 1.0 && row.confidence >= limits.fallback &&
           std::ranges::find(limits.ends, row.argmax) == limits.ends.end();
}

std::vector<TokenRow> TokenModel::draft(
    TokenSequence& sequence, std::span<const TokenId> tokens, const DraftLimits& limits) {
    std::vector<TokenRow> rows;
    std::array<TokenId, 1> next{};
    do {
        const TokenFeed feed{sequence, tokens};
        rows.push_back(this->feed(std::span(&feed, 1), {}).back());
        next[0] = rows.back().argmax;
        tokens = next;
    } while (goesOn(rows.back(), limits, static_cast<std::int64_t>(rows.size())));
    return rows;
}

} // namespace lathe
