// SPDX-License-Identifier: Apache-2.0
#include "engine/core/budget.h"

#include "engine/core/check.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <string>

namespace lathe {

namespace {

constexpr std::int64_t kMostCost = std::int64_t{1} << 53; // exact as a double
/// States of the knapsack over all tensors together, and bounds of a single one's share: enough for
/// exact plans of a model of some layers, and 40 ms for one of hundreds of tensors.
constexpr std::size_t kAllStates = std::size_t{1} << 18;
constexpr std::size_t kFewestStates = 1024, kMostStates = 16384;

/// An option that no other one of its tensor beats in both cost and error.
struct Point {
    std::int64_t cost;
    double error;
    std::size_t option;
};
using Curve = std::vector<Point>; ///< cost rises, error falls

Curve frontierOf(const std::vector<BudgetOption>& options) {
    Curve all;
    for (std::size_t i = 0; i < options.size(); ++i) {
        all.push_back({options[i].cost, options[i].error, i});
    }
    std::stable_sort(all.begin(), all.end(), [](const Point& a, const Point& b) {
        return a.cost < b.cost || (a.cost == b.cost && a.error < b.error);
    });
    Curve frontier;
    for (const Point& point : all) {
        if (frontier.empty() || point.error < frontier.back().error) {
            frontier.push_back(point);
        }
    }
    return frontier;
}

/// Error that is saved per cost on the way from one point to a dearer one.
double rateOf(const Point& from, const Point& to) {
    return (from.error - to.error) / static_cast<double>(to.cost - from.cost);
}

Curve hullOf(const Curve& frontier) {
    Curve hull;
    for (const Point& point : frontier) {
        while (hull.size() > 1 &&
               rateOf(hull[hull.size() - 2], hull.back()) <= rateOf(hull.back(), point)) {
            hull.pop_back();
        }
        hull.push_back(point);
    }
    return hull;
}

/// The plan while it is looked for, in points of the frontiers.
struct Chosen {
    std::vector<Point> points;
    std::int64_t cost = 0;
    double error = 0.0;

    explicit Chosen(std::vector<Point> chosen) : points(std::move(chosen)) {
        for (const Point& point : points) {
            cost += point.cost;
            error += point.error;
        }
    }
};

struct Step {
    std::size_t tensor;
    std::size_t from; ///< index into the hull
    double rate;
};

/// By falling rate; those of one hull stay in order.
std::vector<Step> stepsOf(const std::vector<Curve>& hulls) {
    std::vector<Step> steps;
    for (std::size_t tensor = 0; tensor < hulls.size(); ++tensor) {
        const Curve& hull = hulls[tensor];
        for (std::size_t from = 0; from + 1 < hull.size(); ++from) {
            steps.push_back({tensor, from, rateOf(hull[from], hull[from + 1])});
        }
    }
    std::stable_sort(
        steps.begin(), steps.end(), [](const Step& a, const Step& b) { return a.rate > b.rate; });
    return steps;
}

/// What the hulls alone give.
struct Sweep {
    Chosen chosen;
    double multiplier = 0.0;
    double excess = 0.0; ///< error over a bound that no plan is below
};

/// Takes the steps of all hulls by falling rate while they fit. The first that does not fit has the
/// multiplier as its rate; later ones fill what is left.
Sweep sweepHulls(const std::vector<Curve>& hulls, std::int64_t limit) {
    std::vector<Point> points;
    std::vector<std::size_t> at(hulls.size());
    std::int64_t left = limit;
    for (const Curve& hull : hulls) {
        points.push_back(hull.front());
        left -= hull.front().cost;
    }
    double multiplier = 0.0, bound = 0.0;
    for (const Step& step : stepsOf(hulls)) {
        const Curve& hull = hulls[step.tensor];
        const std::int64_t cost = hull[step.from + 1].cost - hull[step.from].cost;
        if (at[step.tensor] != step.from) {
            continue; // a step before it did not fit
        }
        if (cost > left) {
            if (multiplier == 0.0) {
                multiplier = step.rate;
                bound = Chosen(points).error - multiplier * static_cast<double>(left);
            }
            continue;
        }
        left -= cost;
        points[step.tensor] = hull[++at[step.tensor]];
    }
    Sweep sweep{Chosen(std::move(points)), multiplier, 0.0};
    if (multiplier > 0.0) {
        sweep.excess = std::max(sweep.chosen.error - bound, 0.0);
    }
    return sweep;
}

/// A point with its distance from the line of the multiplier's slope that touches the hull. By the
/// sum of these distances, plus the multiplier times what is not spent, a plan exceeds the bound.
struct CorePoint {
    Point point;
    double gap;
};
using Core = std::vector<CorePoint>;

Core coreOf(const Curve& frontier, double multiplier, double excess) {
    Core core;
    double least = std::numeric_limits<double>::infinity();
    for (const Point& point : frontier) {
        const double height = point.error + multiplier * static_cast<double>(point.cost);
        core.push_back({point, height});
        least = std::min(least, height);
    }
    std::erase_if(core, [&](CorePoint& candidate) {
        candidate.gap -= least;
        return candidate.gap > excess;
    });
    return core;
}

/// One way through the first tensors.
struct State {
    std::int64_t cost;
    double error, gap;
    std::uint32_t parent; ///< index among the states of the tensors before
    std::uint32_t point;  ///< index into the core
};
using States = std::vector<State>; ///< cost rises, error falls

bool isBefore(const State& a, const State& b) {
    return a.cost < b.cost || (a.cost == b.cost && a.error < b.error);
}

/// Fills the limit by a multiple-choice knapsack: exact but where `m_exact` says that states had to
/// be left out.
class Knapsack {
public:
    Knapsack(const std::vector<Curve>& frontiers, const Sweep& sweep, std::int64_t limit)
        : m_multiplier(sweep.multiplier), m_excess(sweep.excess * (1.0 + 1e-9)), m_limit(limit),
          m_most(std::clamp(kAllStates / frontiers.size(), kFewestStates, kMostStates)) {
        for (const Curve& frontier : frontiers) {
            m_cores.push_back(coreOf(frontier, m_multiplier, m_excess));
        }
    }

    Chosen solve() {
        std::int64_t least = 0, most = 0; // what the tensors that are left can cost
        for (const Core& core : m_cores) {
            least += core.front().point.cost;
            most += core.back().point.cost;
        }
        m_stages.push_back({{0, 0.0, 0.0, 0, 0}});
        for (const Core& core : m_cores) {
            least -= core.front().point.cost;
            most -= core.back().point.cost;
            m_stages.push_back(next(core, least, most));
        }
        return best();
    }
    bool isExact() const { return m_exact; }

private:
    States next(const Core& core, std::int64_t least, std::int64_t most) {
        States merged, shifted, both;
        for (std::size_t i = 0; i < core.size(); ++i) {
            shift(core, i, least, most, shifted);
            both.clear();
            std::merge(
                merged.begin(), merged.end(), shifted.begin(), shifted.end(),
                std::back_inserter(both), isBefore);
            merged.clear();
            for (const State& state : both) {
                if (merged.empty() || state.error < merged.back().error) {
                    merged.push_back(state);
                }
            }
        }
        thin(merged);
        return merged;
    }

    /// The last stage's states with one more tensor, without those that no better plan grows from.
    void shift(
        const Core& core, std::size_t i, std::int64_t least, std::int64_t most,
        States& shifted) const {
        const auto& [point, gap] = core[i];
        const States& last = m_stages.back();
        shifted.clear();
        for (std::size_t parent = 0; parent < last.size(); ++parent) {
            const State& before = last[parent];
            const State state{
                before.cost + point.cost, before.error + point.error, before.gap + gap,
                static_cast<std::uint32_t>(parent), static_cast<std::uint32_t>(i)};
            const std::int64_t unspent = std::max<std::int64_t>(m_limit - state.cost - most, 0);
            if (state.cost + least <= m_limit &&
                state.gap + m_multiplier * static_cast<double>(unspent) <= m_excess) {
                shifted.push_back(state);
            }
        }
    }

    /// Keeps so many states as are allowed, spread over the costs: of each small range that of the
    /// least gap.
    void thin(States& states) {
        if (states.size() <= m_most) {
            return;
        }
        m_exact = false;
        const std::int64_t first = states.front().cost;
        const std::int64_t width =
            (states.back().cost - first) / static_cast<std::int64_t>(m_most) + 1;
        States kept;
        std::int64_t bin = -1;
        for (const State& state : states) {
            if (const std::int64_t own = (state.cost - first) / width; own != bin) {
                bin = own;
                kept.push_back(state);
            } else if (state.gap < kept.back().gap) {
                kept.back() = state;
            }
        }
        states = std::move(kept);
    }

    /// Of the last states, the dearest has the least error; without one, an empty plan.
    Chosen best() const {
        if (m_stages.back().empty()) {
            return Chosen({});
        }
        std::vector<Point> points(m_cores.size());
        std::size_t index = m_stages.back().size() - 1;
        for (std::size_t tensor = m_cores.size(); tensor-- > 0;) {
            const State& state = m_stages[tensor + 1][index];
            points[tensor] = m_cores[tensor][state.point].point;
            index = state.parent;
        }
        return Chosen(std::move(points));
    }

    double m_multiplier, m_excess;
    std::int64_t m_limit;
    std::size_t m_most;
    std::vector<Core> m_cores;
    std::vector<States> m_stages; ///< [0]: no tensor
    bool m_exact = true;
};

std::vector<Curve> frontiersOf(const std::vector<std::vector<BudgetOption>>& tensors) {
    std::vector<Curve> frontiers;
    std::int64_t sum = 0;
    for (std::size_t i = 0; i < tensors.size(); ++i) {
        const std::string where = "budget: tensor " + std::to_string(i);
        LATHE_CHECK(!tensors[i].empty(), where + " has no options");
        std::int64_t most = 0;
        for (const BudgetOption& option : tensors[i]) {
            LATHE_CHECK(option.cost >= 0, where + " has an option of negative cost");
            LATHE_CHECK(std::isfinite(option.error), where + " has an error that is not finite");
            most = std::max(most, option.cost);
        }
        LATHE_CHECK(most <= kMostCost - sum, "budget: the costs exceed 2^53 in sum");
        sum += most;
        frontiers.push_back(frontierOf(tensors[i]));
    }
    return frontiers;
}

BudgetRange rangeOf(const std::vector<Curve>& frontiers) {
    BudgetRange range;
    for (const Curve& frontier : frontiers) {
        range.least += frontier.front().cost;
        range.most += frontier.back().cost;
    }
    return range;
}

std::vector<Curve> hullsOf(const std::vector<Curve>& frontiers) {
    std::vector<Curve> hulls;
    for (const Curve& frontier : frontiers) {
        hulls.push_back(hullOf(frontier));
    }
    return hulls;
}

} // namespace

BudgetRange budgetRange(const std::vector<std::vector<BudgetOption>>& tensors) {
    return rangeOf(frontiersOf(tensors));
}

std::vector<BudgetOption> budgetCurve(const std::vector<std::vector<BudgetOption>>& tensors) {
    const std::vector<Curve> hulls = hullsOf(frontiersOf(tensors));
    BudgetOption sum;
    for (const Curve& hull : hulls) {
        sum.cost += hull.front().cost;
        sum.error += hull.front().error;
    }
    std::vector<BudgetOption> curve{sum};
    for (const Step& step : stepsOf(hulls)) {
        const Point& from = hulls[step.tensor][step.from];
        const Point& to = hulls[step.tensor][step.from + 1];
        sum.cost += to.cost - from.cost;
        sum.error += to.error - from.error;
        curve.push_back(sum);
    }
    return curve;
}

BudgetPlan planBudget(const std::vector<std::vector<BudgetOption>>& tensors, std::int64_t limit) {
    const std::vector<Curve> frontiers = frontiersOf(tensors);
    const std::int64_t least = rangeOf(frontiers).least;
    LATHE_CHECK(
        limit >= least, "a budget of " + std::to_string(limit) + " is not possible, the least is " +
                            std::to_string(least));
    Sweep sweep = sweepHulls(hullsOf(frontiers), limit);
    BudgetPlan plan;
    plan.multiplier = sweep.multiplier;
    if (sweep.excess > 0.0) {
        const double bound = sweep.chosen.error - sweep.excess;
        Knapsack knapsack(frontiers, sweep, limit);
        Chosen filled = knapsack.solve();
        plan.exact = knapsack.isExact();
        if (!filled.points.empty() && filled.error < sweep.chosen.error) {
            sweep.chosen = std::move(filled);
        }
        plan.slack = plan.exact ? 0.0 : std::max(sweep.chosen.error - bound, 0.0);
    }
    plan.cost = sweep.chosen.cost;
    plan.error = sweep.chosen.error;
    for (const Point& point : sweep.chosen.points) {
        plan.choice.push_back(point.option);
    }
    return plan;
}

} // namespace lathe
