// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/eta.h"

#include <algorithm>
#include <cmath>

namespace lathe {

namespace {
constexpr double kStep = 0.01;  ///< share of the run that makes one sample
constexpr double kWeight = 0.3; ///< of the newest sample
constexpr int kSteps = 3;
constexpr double kSpread = 1.5; ///< deviations on either side
} // namespace

void EtaEstimator::report(double fraction, double seconds) {
    if (!std::isfinite(fraction) || !std::isfinite(seconds)) {
        return;
    }
    m_latest = std::max(m_latest, std::min(fraction, 1.0));
    const double done = fraction - m_fraction;
    const double took = seconds - m_seconds;
    if (done < kStep || took < 0.0) {
        return;
    }
    const double sample = took / done;
    if (m_steps == 0) {
        m_perUnit = sample;
    } else {
        m_deviation += kWeight * (std::abs(sample - m_perUnit) - m_deviation);
        m_perUnit += kWeight * (sample - m_perUnit);
    }
    ++m_steps;
    m_fraction = fraction;
    m_seconds = seconds;
}

std::optional<EtaEstimator::Range> EtaEstimator::remaining() const {
    if (m_steps < kSteps) {
        return std::nullopt;
    }
    const double left = 1.0 - m_latest;
    const double low = std::max(0.0, (m_perUnit - kSpread * m_deviation) * left);
    return Range{low, (m_perUnit + kSpread * m_deviation) * left};
}

} // namespace lathe
