// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "engine/text/tokenizer.h"

#include <unordered_map>

namespace lathe {

/// Byte-pair merges by rank.
class BpeMerges {
public:
    /// The pair becomes `merged`; lower ranks go first. A pair keeps its first rank.
    void add(TokenId left, TokenId right, TokenId merged);
    /// Merges the symbols of one word in place until no rule applies.
    /// @note Cost: n log n for n symbols.
    void apply(std::vector<TokenId>& symbols) const;

private:
    struct Rule {
        std::int32_t rank;
        TokenId merged;
    };
    const Rule* find(TokenId left, TokenId right) const;

    std::unordered_map<std::uint64_t, Rule> m_rules;
};

} // namespace lathe
