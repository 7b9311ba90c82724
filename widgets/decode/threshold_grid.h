// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "engine/core/study_info.h"
#include "experiments/store/run_reader.h"
#include "widgets/base/plot_view.h"

#include <optional>
#include <vector>

namespace lathe {

inline constexpr const char* kGridStudy = "decode.pareto";

/// What is drawn as quality, and whose time.
enum class GridQuality { Bleu, Chrf, RougeLsum, Agreement };
enum class GridTime { WithEncoders, Decoding };

/// A pair of thresholds that was measured over a set of texts.
struct GridPoint {
    qint64 run = 0;
    double fallback = 0.0, rollback = 0.0;
    Json metrics = Json::object();

    double quality(GridQuality of) const; ///< NaN: not known
    double speedup(GridTime of) const;
    double predicted() const; ///< with encoders
};

/// Thresholds measured on the same texts with the same pair, by one run of decode.pareto or
/// several.
struct ThresholdGrid {
    Spec spec; ///< of the latest run
    std::vector<GridPoint> points;
    double bigBleu = 0.0; ///< NaN: no references
    std::int64_t texts = 0;

    bool isEmpty() const { return points.empty(); }
    bool hasReferences() const;
    const GridPoint* find(double fallback, double rollback) const;
};

/// Who decodes at the thresholds: what decode.pareto's params say of it. What does not draft does
/// not count.
struct GridPair {
    std::string big, drafter;
    Json of; ///< the little model, or how the big one is cut down

    bool operator==(const GridPair&) const = default;
};
/// @param study decode.pareto, for params that the Spec lacks; null: they stay unknown
GridPair gridPair(const Spec& spec, const StudyInfo* study);

/// The part of a Spec that points of one grid have in common.
Json gridSubject(const Spec& spec);
/// All finished cells in the store that belong to the latest run with this pair, or to `run` where
/// it is given. @throws Error when the store cannot be read
ThresholdGrid
readGrid(RunReader& reader, const GridPair& pair, const StudyInfo* study, qint64 run = 0);

PlotAxes gridAxes(const ThresholdGrid& grid, GridQuality quality, GridTime time);
/// Measured points (solid), modelled times of the same points (hollow), the front, the big model
/// alone, and a ring around the present thresholds. Ids are indices of points + 1.
std::vector<PlotSeries>
gridSeries(const ThresholdGrid& grid, GridQuality quality, GridTime time, const GridPoint* present);
/// "fallback 0.7, rollback 2: BLEU 41.77 (−0.60), agreement 86.8 %, 1.29 × (modelled 1.31 ×)"
QString pointFacts(const ThresholdGrid& grid, const GridPoint& point);

} // namespace lathe
