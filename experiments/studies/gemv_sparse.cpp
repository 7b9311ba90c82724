// SPDX-License-Identifier: Apache-2.0
#include "experiments/studies/gemv_sparse.h"

#include <algorithm>
#include <cmath>

namespace lathe {

namespace {

/// Calls take(i) for `count` of `all` indices, all such sets being as likely, in ascending order.
template <class Take>
void choose(std::int64_t count, std::int64_t all, Random& random, Take take) {
    for (std::int64_t i = 0; i < all && count > 0; ++i) {
        if (random.uniform() * static_cast<double>(all - i) < static_cast<double>(count)) {
            take(i);
            --count;
        }
    }
}

/// The part of place i when `values` are dealt evenly to `places`.
std::int64_t dealt(std::int64_t values, std::int64_t places, std::int64_t i) {
    return values * (i + 1) / places - values * i / places;
}

} // namespace

std::int64_t SparseSizes::hotRows() const {
    return skew > 0.0 ? std::max<std::int64_t>(1, out / 100) : 0;
}

std::int64_t SparseSizes::hotValues() const {
    const double wanted = percent / 100.0 * skew * static_cast<double>(out * in);
    return std::min(static_cast<std::int64_t>(std::llround(wanted)), hotRows() * in);
}

std::int64_t SparseSizes::values() const {
    const double wanted = percent / 100.0 * static_cast<double>(out * in);
    const std::int64_t cold = std::min(
        static_cast<std::int64_t>(std::llround(wanted)) - hotValues(), (out - hotRows()) * in);
    return hotValues() + cold;
}

std::int64_t SparseSizes::bytes() const { return percent > 0.0 ? (out + 1) * 4 + values() * 4 : 0; }

void SparseData::append(std::int64_t count, std::span<float> row, Random& random) {
    choose(count, static_cast<std::int64_t>(row.size()), random, [&](std::int64_t column) {
        const Half value = toHalf(static_cast<float>(random.normal()));
        columns.push_back(static_cast<std::uint16_t>(column));
        values.push_back(value);
        row[static_cast<std::size_t>(column)] += toFloat(value);
    });
    pointers.push_back(static_cast<std::int32_t>(columns.size()));
}

std::vector<std::int64_t> valuesPerRow(const SparseSizes& sizes, Random& random) {
    const std::int64_t hotRows = sizes.hotRows(), coldRows = sizes.out - hotRows;
    std::vector<bool> isHot(static_cast<std::size_t>(sizes.out), false);
    choose(hotRows, sizes.out, random, [&](std::int64_t row) {
        isHot[static_cast<std::size_t>(row)] = true;
    });
    std::vector<std::int64_t> counts;
    counts.reserve(isHot.size());
    std::int64_t hot = 0, cold = 0;
    for (const bool full : isHot) {
        counts.push_back(
            full ? dealt(sizes.hotValues(), hotRows, hot++)
                 : dealt(sizes.values() - sizes.hotValues(), coldRows, cold++));
    }
    return counts;
}

} // namespace lathe
