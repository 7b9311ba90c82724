// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <optional>

namespace lathe {

/// How long a run will still take, from a moving average of how long a share of it took. Says
/// nothing before three steps; then a range as wide as the steps differ. Without a clock: times are
/// given.
class EtaEstimator {
public:
    struct Range {
        double lowSeconds = 0.0, highSeconds = 0.0;
    };

    /// The run has done `fraction` (0..1) after `seconds`. Not finite or going back: ignored.
    void report(double fraction, double seconds);
    std::optional<Range> remaining() const;

private:
    int m_steps = 0;
    double m_fraction = 0.0; ///< at the last step
    double m_seconds = 0.0;
    double m_latest = 0.0;
    double m_perUnit = 0.0;   ///< seconds for the whole run, averaged
    double m_deviation = 0.0; ///< mean absolute deviation of it
};

} // namespace lathe
