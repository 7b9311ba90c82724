// SPDX-License-Identifier: Apache-2.0
#include "engine/quant/refined_rows.h"

#include "engine/quant/kmeans1d.h"
#include "engine/quant/normal_equations.h"
#include "kernels/core/half.h"

#include <algorithm>
#include <cmath>
#include <numeric>

namespace lathe {

namespace {

/// What the sums of a tile of columns may take: they stay in the second cache.
constexpr std::size_t kTileBytes = std::size_t{256} << 10;

void addScaled(double* sums, const float* values, double factor, std::size_t count) {
    for (std::size_t i = 0; i < count; ++i) {
        sums[i] += factor * static_cast<double>(values[i]);
    }
}

void add(double* sums, const float* values, std::size_t count) {
    for (std::size_t i = 0; i < count; ++i) {
        sums[i] += static_cast<double>(values[i]);
    }
}

/// A row and what is kept beside it.
struct State {
    TableRow* row = nullptr;
    std::vector<double> error{};    ///< e = weights - table[codes]
    std::vector<double> gradient{}; ///< H e
    std::vector<double> normal{};   ///< P^T H P, [entries, entries], P the codes as 0 and 1
    double roundStart = 0.0;        ///< the objective when the round began
    bool active = true;

    double objective() const { return row->objectives.back(); }
    std::size_t entries() const { return row->table.size(); }

    void takeErrors() {
        for (std::size_t i = 0; i < error.size(); ++i) {
            error[i] = static_cast<double>(row->weights[i]) -
                       static_cast<double>(row->table[row->codes[i]]);
        }
    }
    void note() {
        row->objectives.push_back(
            std::inner_product(error.begin(), error.end(), gradient.begin(), 0.0));
    }
};

/// The table fitted to the codes, rounded; false where it is no better than what there is.
bool fitTable(State& state) {
    TableRow& row = *state.row;
    const std::size_t entries = state.entries();
    std::vector<double> slope(entries); // P^T H e
    for (std::size_t i = 0; i < state.gradient.size(); ++i) {
        slope[row.codes[i]] += state.gradient[i];
    }
    const std::vector<double> step = solveNormal(state.normal, slope);
    std::vector<float> fitted(entries);
    std::vector<double> taken(entries);
    for (std::size_t c = 0; c < entries; ++c) {
        const auto before = static_cast<double>(row.table[c]);
        fitted[c] = toFloat(toHalf(static_cast<float>(before + step[c])));
        taken[c] = static_cast<double>(fitted[c]) - before;
    }
    const double change = quadratic(state.normal, taken) -
                          2.0 * std::inner_product(slope.begin(), slope.end(), taken.begin(), 0.0);
    if (!(change < 0.0)) { // nor where an entry exceeds F16
        return false;
    }
    std::vector<std::uint8_t> order(entries), place(entries);
    std::iota(order.begin(), order.end(), std::uint8_t{0});
    std::ranges::stable_sort(order, {}, [&](std::uint8_t c) { return fitted[c]; });
    for (std::size_t c = 0; c < entries; ++c) {
        place[order[c]] = static_cast<std::uint8_t>(c);
        row.table[c] = fitted[order[c]];
    }
    std::ranges::transform(row.codes, row.codes.begin(), [&](auto code) { return place[code]; });
    state.takeErrors();
    return true;
}

/// All rows of one call.
class Refinement {
public:
    Refinement(std::span<const float> hessian, std::span<TableRow> rows)
        : m_hessian(hessian), m_in(rows.front().weights.size()) {
        for (TableRow& row : rows) {
            State state{.row = &row};
            state.error.resize(m_in);
            state.gradient.resize(m_in);
            state.normal.resize(row.table.size() * row.table.size());
            state.takeErrors();
            row.objectives.clear();
            m_states.push_back(std::move(state));
        }
    }

    void refine(const RefinementLimits& limits) {
        multiply(all());
        for (State& state : m_states) {
            state.note();
        }
        for (int round = 0; round < limits.rounds; ++round) {
            const std::vector<State*> active = all();
            if (active.empty()) {
                return;
            }
            for (State* state : active) {
                state->roundStart = state->objective();
            }
            fitTables(active);
            moveCodes(active, limits.passes);
            for (State* state : active) {
                state->active =
                    state->roundStart - state->objective() > limits.leastGain * state->roundStart;
            }
        }
    }

private:
    using States = std::vector<State*>;

    const float* hessianRow(std::size_t i) const { return m_hessian.data() + i * m_in; }

    /// Those that still move.
    States all() {
        States states;
        for (State& state : m_states) {
            if (state.active) {
                states.push_back(&state);
            }
        }
        return states;
    }

    /// H e, afresh.
    void multiply(const States& states) const {
        for (State* state : states) {
            std::ranges::fill(state->gradient, 0.0);
        }
        for (std::size_t i = 0; i < m_in; ++i) {
            for (State* state : states) {
                if (state->error[i] != 0.0) {
                    addScaled(state->gradient.data(), hessianRow(i), state->error[i], m_in);
                }
            }
        }
    }

    void fitTables(const States& states) {
        sumPairs(states);
        States fitted;
        std::ranges::copy_if(
            states, std::back_inserter(fitted), [](State* s) { return fitTable(*s); });
        multiply(fitted);
        for (State* state : fitted) {
            state->note();
        }
    }

    /// P^T H P: rows of H summed by code, a tile of columns at a time, then those columns by code.
    void sumPairs(const States& states) const {
        const std::size_t entries = states.front()->entries();
        const std::size_t width = std::clamp<std::size_t>(
            kTileBytes / (states.size() * entries * sizeof(double)), 16, m_in);
        std::vector<double> sums(states.size() * entries * width);
        for (State* state : states) {
            std::ranges::fill(state->normal, 0.0);
        }
        for (std::size_t from = 0; from < m_in; from += width) {
            const std::size_t count = std::min(width, m_in - from);
            std::ranges::fill(sums, 0.0);
            for (std::size_t i = 0; i < m_in; ++i) {
                for (std::size_t s = 0; s < states.size(); ++s) {
                    const std::size_t code = states[s]->row->codes[i];
                    add(&sums[(s * entries + code) * width], hessianRow(i) + from, count);
                }
            }
            for (std::size_t s = 0; s < states.size(); ++s) {
                const std::uint8_t* codes = states[s]->row->codes.data() + from;
                for (std::size_t c = 0; c < entries; ++c) {
                    const double* sum = &sums[(s * entries + c) * width];
                    double* normal = &states[s]->normal[c * entries];
                    for (std::size_t j = 0; j < count; ++j) {
                        normal[codes[j]] += sum[j];
                    }
                }
            }
        }
    }

    void moveCodes(const States& states, int passes) const {
        for (int pass = 0; pass < passes; ++pass) {
            std::size_t moved = 0;
            for (std::size_t i = 0; i < m_in; ++i) {
                for (State* state : states) {
                    moved += moveCode(*state, i) ? 1 : 0;
                }
            }
            if (moved == 0) {
                break;
            }
        }
        for (State* state : states) {
            state->note();
        }
    }

    /// The best code of column i, given all others.
    bool moveCode(State& state, std::size_t i) const {
        const float* hessian = hessianRow(i);
        const auto curvature = static_cast<double>(hessian[i]);
        if (!(curvature > 0.0)) {
            return false;
        }
        TableRow& row = *state.row;
        const double slope = state.gradient[i];
        const double best = static_cast<double>(row.table[row.codes[i]]) + slope / curvature;
        const double within = std::clamp(
            best, static_cast<double>(row.table.front()), static_cast<double>(row.table.back()));
        const auto code =
            static_cast<std::size_t>(nearestIndex(row.table, static_cast<float>(within)));
        const double error =
            static_cast<double>(row.weights[i]) - static_cast<double>(row.table[code]);
        const double step = error - state.error[i];
        if (!(step * (curvature * step + 2.0 * slope) < 0.0)) {
            return false;
        }
        row.codes[i] = static_cast<std::uint8_t>(code);
        state.error[i] = error;
        addScaled(state.gradient.data(), hessian, step, m_in);
        return true;
    }

    std::span<const float> m_hessian;
    std::size_t m_in;
    std::vector<State> m_states;
};

} // namespace

void refineRows(
    std::span<const float> hessian, std::span<TableRow> rows, const RefinementLimits& limits) {
    if (!rows.empty()) {
        Refinement(hessian, rows).refine(limits);
    }
}

} // namespace lathe
