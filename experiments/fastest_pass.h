// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "experiments/decode_pair.h"

#include <utility>

namespace lathe {

/// The fastest pass so far over a text, which comes out the same each time.
class FastestPass {
public:
    explicit FastestPass(PairText first) : m_fastest(std::move(first)) {}
    /// @return nanoseconds that the pass took
    std::int64_t add(PairText pass) {
        const std::int64_t took = pass.decoded.wallNs;
        if (took < m_fastest.decoded.wallNs) {
            m_fastest = std::move(pass);
        }
        return took;
    }
    const PairText& get() const { return m_fastest; }

private:
    PairText m_fastest;
};

} // namespace lathe
