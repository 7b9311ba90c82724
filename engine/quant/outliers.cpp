// SPDX-License-Identifier: Apache-2.0
#include "engine/quant/outliers.h"

#include "engine/core/check.h"
#include "kernels/core/widen.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>

namespace lathe {

namespace {

std::vector<float> widened(ConstView w) {
    std::vector<float> values(static_cast<std::size_t>(w.elementCount()));
    widen(w, 0, values);
    return values;
}

/// @param values is reordered.
double quantile(std::vector<float>& values, double share) {
    const double rank = share * static_cast<double>(values.size() - 1);
    const auto below = static_cast<std::ptrdiff_t>(rank);
    const auto middle = values.begin() + below;
    std::nth_element(values.begin(), middle, values.end());
    const double fraction = rank - static_cast<double>(below);
    const double low = static_cast<double>(*middle);
    if (fraction == 0.0) {
        return low;
    }
    const double high = static_cast<double>(*std::min_element(middle + 1, values.end()));
    return low + fraction * (high - low);
}

std::int64_t shareOf(double share, std::int64_t count) {
    return static_cast<std::int64_t>(share * static_cast<double>(count));
}

/// Bins that rise with the factor: the upper half of its bits, the sign turned.
constexpr std::size_t kBins = std::size_t{1} << 16;
std::size_t binOf(float factor) {
    const auto bits = std::bit_cast<std::uint32_t>(factor);
    const std::uint32_t ordered = (bits >> 31) != 0 ? ~bits : bits | 0x80000000U;
    return ordered >> 16;
}

/// Calls visit(index, factor) for the weights of a matrix that are not taken yet.
template <class Visit>
void visitFactors(
    ConstView w, const Quartiles& quartiles, const std::vector<std::int64_t>& taken, Visit visit) {
    const std::vector<float> values = widened(w);
    auto next = taken.begin();
    for (std::size_t i = 0; i < values.size(); ++i) {
        if (next != taken.end() && *next == static_cast<std::int64_t>(i)) {
            ++next;
            continue;
        }
        visit(static_cast<std::int64_t>(i), static_cast<float>(fenceFactor(quartiles, values[i])));
    }
}

/// A weight of the bin in which the last outliers are.
struct Candidate {
    float factor;
    std::size_t matrix;
    std::int64_t index;
};

class OutlierSearch {
public:
    OutlierSearch(std::size_t matrices) : m_quartiles(matrices), m_counts(kBins) {}

    void count(std::size_t matrix, ConstView w, const std::vector<std::int64_t>& taken) {
        m_quartiles[matrix] = quartilesOf(w);
        visitFactors(w, m_quartiles[matrix], taken, [this](std::int64_t, float factor) {
            ++m_counts[binOf(factor)];
        });
    }

    /// All weights of higher bins are outliers, of this bin so many as are missing then.
    void chooseBin(std::int64_t wanted) {
        m_missing = wanted;
        m_bin = kBins - 1;
        while (m_bin > 0 && m_counts[m_bin] <= m_missing) {
            m_missing -= m_counts[m_bin--];
        }
    }

    void take(std::size_t matrix, ConstView w, std::vector<std::int64_t>& positions) {
        std::vector<std::int64_t> found;
        visitFactors(w, m_quartiles[matrix], positions, [&](std::int64_t index, float factor) {
            const std::size_t bin = binOf(factor);
            if (bin > m_bin) {
                found.push_back(index);
                m_factor = std::min(m_factor, factor);
            } else if (bin == m_bin) {
                m_candidates.push_back({factor, matrix, index});
            }
        });
        positions.insert(positions.end(), found.begin(), found.end());
    }

    /// @return the factor of the last outlier taken.
    double finish(std::vector<std::vector<std::int64_t>>& positions) {
        std::stable_sort(
            m_candidates.begin(), m_candidates.end(),
            [](const Candidate& a, const Candidate& b) { return a.factor > b.factor; });
        const auto count = std::min(m_candidates.size(), static_cast<std::size_t>(m_missing));
        for (const Candidate& candidate : std::span(m_candidates).first(count)) {
            positions[candidate.matrix].push_back(candidate.index);
            m_factor = candidate.factor;
        }
        return static_cast<double>(m_factor);
    }

private:
    std::vector<Quartiles> m_quartiles;
    std::vector<std::int64_t> m_counts;
    std::vector<Candidate> m_candidates;
    std::size_t m_bin = 0;
    std::int64_t m_missing = 0;
    float m_factor = std::numeric_limits<float>::infinity();
};

} // namespace

Quartiles quartilesOf(ConstView w) {
    LATHE_CHECK(!w.empty(), "quartiles: the matrix is empty");
    std::vector<float> values = widened(w);
    const auto bad = std::ranges::find_if(values, [](float v) { return !std::isfinite(v); });
    LATHE_CHECK(
        bad == values.end(), "the weight in row " +
                                 std::to_string((bad - values.begin()) / w.shape[1]) + ", column " +
                                 std::to_string((bad - values.begin()) % w.shape[1]) +
                                 " is not finite; only finite weights can be quantized");
    Quartiles quartiles{.first = quantile(values, 0.25), .third = 0.0};
    quartiles.third = quantile(values, 0.75);
    quartiles.unit = quartiles.third - quartiles.first;
    if (quartiles.unit == 0.0) {
        double sum = 0.0;
        for (const float value : values) {
            sum += std::fabs(static_cast<double>(value) - quartiles.first);
        }
        // Of normal numbers: the quartiles' distance over the mean absolute deviation.
        constexpr double kNormal = 1.3489795 / 0.7978846;
        quartiles.unit = kNormal * sum / static_cast<double>(values.size());
    }
    return quartiles;
}

double fenceThreshold(const Quartiles& quartiles, double factor) {
    const double reach = factor * quartiles.unit;
    return std::max(std::fabs(quartiles.first - reach), std::fabs(quartiles.third + reach));
}

double fenceFactor(const Quartiles& quartiles, float weight) {
    if (quartiles.unit == 0.0) {
        return -std::numeric_limits<double>::infinity();
    }
    const double magnitude = std::fabs(static_cast<double>(weight));
    return std::min(magnitude + quartiles.first, magnitude - quartiles.third) / quartiles.unit;
}

std::vector<std::int64_t> largest(ConstView values, std::int64_t count) {
    const std::span<const float> all = values.as<float>();
    std::vector<std::int64_t> chosen;
    if (count <= 0) {
        return chosen;
    }
    count = std::min(count, static_cast<std::int64_t>(all.size()));
    std::vector<float> sorted(all.begin(), all.end());
    const auto last = sorted.begin() + (count - 1);
    std::nth_element(sorted.begin(), last, sorted.end(), std::greater<>());
    const float threshold = *last;
    std::int64_t ties = count - std::count_if(all.begin(), all.end(), [threshold](float value) {
                            return value > threshold;
                        });
    for (std::size_t i = 0; i < all.size(); ++i) {
        if (all[i] > threshold || (all[i] == threshold && ties-- > 0)) {
            chosen.push_back(static_cast<std::int64_t>(i));
        }
    }
    return chosen;
}

SparseChoice chooseSparse(
    RunControl& run, std::size_t count, const std::function<SparseMatrix(std::size_t)>& at,
    const SparseShares& shares) {
    SparseChoice choice;
    choice.positions.resize(count);
    choice.factor = std::numeric_limits<double>::quiet_NaN();
    OutlierSearch search(count);
    std::int64_t weights = 0;
    for (std::size_t i = 0; i < count; ++i) {
        run.checkpoint();
        const SparseMatrix matrix = at(i);
        const std::int64_t size = matrix.w.elementCount();
        weights += size;
        if (const std::int64_t sensitive = shareOf(shares.sensitive, size); sensitive > 0) {
            LATHE_CHECK(
                matrix.sensitivity.shape == matrix.w.shape,
                "the most sensitive weights cannot be chosen without sensitivities");
            choice.positions[i] = largest(matrix.sensitivity, sensitive);
        }
        if (shares.outliers > 0.0) {
            search.count(i, matrix.w, choice.positions[i]);
        }
    }
    const std::int64_t outliers = shareOf(shares.outliers, weights);
    if (outliers == 0) {
        return choice;
    }
    search.chooseBin(outliers);
    for (std::size_t i = 0; i < count; ++i) {
        run.checkpoint();
        search.take(i, at(i).w, choice.positions[i]);
    }
    choice.factor = search.finish(choice.positions);
    for (std::vector<std::int64_t>& positions : choice.positions) {
        std::ranges::sort(positions);
    }
    return choice;
}

} // namespace lathe
