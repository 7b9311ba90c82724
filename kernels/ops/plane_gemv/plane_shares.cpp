// SPDX-License-Identifier: Apache-2.0
#include "kernels/ops/plane_gemv/plane_gemv.h"

#include <algorithm>

namespace lathe {

namespace {

/// Time of a value of the sparse part is the unit; a step takes so many, and the end of a tile as
/// long as a step.
constexpr std::int64_t kStepCost = 64;
/// Shares that are better by less than this are not worth reading.
constexpr double kWorthwhile = 0.98;

/// What comes before each tile costs.
class Costs {
public:
    Costs(std::span<const std::int32_t> rowPointers, std::int64_t in)
        : m_pointers(rowPointers), m_out(static_cast<std::int64_t>(rowPointers.size()) - 1),
          m_steps(planeSteps(in)) {}

    std::int64_t tiles() const { return planeTiles(m_out); }
    std::int64_t steps() const { return m_steps; }
    std::int64_t before(std::int64_t tile) const {
        const std::int64_t row = std::min(tile * kPlaneTileRows, m_out);
        return tile * (m_steps + 1) * kStepCost + m_pointers[static_cast<std::size_t>(row)];
    }
    /// At a step, the values of the tile being spread over its steps.
    std::int64_t before(std::int64_t tile, std::int64_t step) const {
        const std::int64_t values = before(tile + 1) - before(tile) - (m_steps + 1) * kStepCost;
        return before(tile) + step * kStepCost + values * step / m_steps;
    }
    /// The tile with the last start that costs no more.
    std::int64_t tileAt(std::int64_t cost, std::int64_t from, std::int64_t to) const {
        while (to - from > 1) {
            const std::int64_t middle = from + (to - from) / 2;
            (before(middle) <= cost ? from : to) = middle;
        }
        return from;
    }

private:
    std::span<const std::int32_t> m_pointers;
    std::int64_t m_out, m_steps;
};

/// Appends the starts of the workers of a block of tiles [from, to).
void divideBlock(
    const Costs& costs, std::int64_t from, std::int64_t to, std::vector<std::int32_t>& shares) {
    const std::int64_t begin = costs.before(from), all = costs.before(to) - begin;
    for (std::int64_t worker = 0; worker < kPlaneWorkers; ++worker) {
        const std::int64_t cost = begin + all * worker / kPlaneWorkers;
        std::int64_t tile = costs.tileAt(cost, from, to);
        std::int64_t step = 0;
        while (tile < to && step < costs.steps() && costs.before(tile, step) < cost) {
            ++step;
        }
        if (step == costs.steps()) { // at the end of the tile
            step = 0;
            ++tile;
        }
        shares.push_back(static_cast<std::int32_t>(tile));
        shares.push_back(static_cast<std::int32_t>(step));
    }
}

std::vector<std::int32_t> divide(const Costs& costs, std::int64_t blocks) {
    const std::int64_t tiles = costs.tiles(), all = costs.before(tiles);
    std::vector<std::int32_t> shares;
    std::int64_t from = 0;
    for (std::int64_t block = 1; block <= blocks; ++block) {
        const std::int64_t cost = all * block / blocks;
        std::int64_t to = std::max(from, costs.tileAt(cost, 0, tiles));
        if (block == blocks ||
            2 * cost > costs.before(to) + costs.before(std::min(to + 1, tiles))) {
            to = std::min(to + 1, tiles); // the nearer end
        }
        divideBlock(costs, from, block == blocks ? tiles : to, shares);
        from = to;
    }
    shares.push_back(static_cast<std::int32_t>(tiles));
    shares.push_back(0);
    return shares;
}

std::int64_t longest(const Costs& costs, const std::vector<std::int32_t>& shares) {
    std::int64_t worst = 0, begin = 0;
    for (std::size_t i = 2; i < shares.size(); i += 2) {
        const std::int64_t end = shares[i] == costs.tiles()
                                     ? costs.before(costs.tiles())
                                     : costs.before(shares[i], shares[i + 1]);
        worst = std::max(worst, end - begin);
        begin = end;
    }
    return worst;
}

} // namespace

std::vector<std::int32_t>
planeShares(std::span<const std::int32_t> rowPointers, std::int64_t in, std::int64_t blocks) {
    if (rowPointers.size() < 2 || in == 0) {
        return {};
    }
    const Costs costs(rowPointers, in);
    const std::vector<std::int32_t> none(rowPointers.size(), 0);
    std::vector<std::int32_t> shares = divide(costs, blocks);
    const auto even = static_cast<double>(longest(costs, divide(Costs(none, in), blocks)));
    return static_cast<double>(longest(costs, shares)) < kWorthwhile * even
               ? shares
               : std::vector<std::int32_t>{};
}

} // namespace lathe
