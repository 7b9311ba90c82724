// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "kernels/ops/draft_step/draft_step.h"

#include <cmath>
#include <cstring>

/// The one definition of what a draft leads to, for the processor and the GPU: who includes it
/// says what LATHE_DRAFT_FUNCTION is, nothing or a place to run.
namespace lathe {

struct DraftPointers {
    const std::int32_t* argmax;
    const float* values;
    const std::int32_t* limits;
    std::int32_t* state;
    std::int32_t* id;
    std::int32_t* rows;
    std::int32_t stepRows, most;
};

LATHE_DRAFT_FUNCTION inline bool goesOn(
    const std::int32_t* limits, float threshold, std::int32_t token, double confidence,
    std::int32_t count) {
    // Not a comparison of floats where the caller says "always": a probability rounds to 1. NaN is
    // not worth going on with either.
    bool on = count < limits[DraftStep::Most] && threshold < 1.0F &&
              confidence >= static_cast<double>(threshold);
    for (std::int32_t i = 0; i < limits[DraftStep::EndCount] && i < kMostDraftEnds; ++i) {
        on = on && token != limits[DraftStep::Ends + i];
    }
    return on;
}

/// Notes the row of a step, whose state is in range, and says whether there is to be another one.
LATHE_DRAFT_FUNCTION inline void
noteDraft(const DraftPointers& p, float threshold, std::int32_t token, const float* values) {
    const std::int32_t count = p.state[DraftStep::Count];
    std::int32_t* row = p.rows + 4 * count;
    row[0] = token;
    std::memcpy(row + 1, values, 2 * sizeof(float)); // the bits, whatever they mean
    row[3] = 0;
    const double confidence =
        std::exp(static_cast<double>(values[0]) - static_cast<double>(values[1]));
    p.state[DraftStep::Length] += p.state[DraftStep::Fed];
    p.state[DraftStep::Fed] = 1;
    p.state[DraftStep::Count] = count + 1;
    *p.id = token;
    const bool on = goesOn(p.limits, threshold, token, confidence, count + 1);
    p.state[DraftStep::Go] = on && count + 1 < p.most ? 1 : 0;
}

LATHE_DRAFT_FUNCTION inline void decideDraft(const DraftPointers& p, float threshold) {
    const std::int32_t fed = p.state[DraftStep::Fed], count = p.state[DraftStep::Count];
    p.state[DraftStep::Go] = 0;
    if (fed >= 1 && fed <= p.stepRows && count >= 0 && count < p.most) {
        noteDraft(p, threshold, p.argmax[fed - 1], p.values + 3 * (fed - 1));
    }
}

} // namespace lathe
