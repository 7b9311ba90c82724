// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "experiments/scoring.h"

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <vector>

/// How far models are from the float model that they were made from, on one text.
namespace lathe {

/// What all cells of a run share: the float model and its predictions.
class SweepReference {
public:
    /// @param params `model` and those of scoringTextFrom
    SweepReference(const Json& params, StudyContext& context);
    SweepReference(
        std::shared_ptr<const LoadedModel> floatModel, ScoringText scored, ExecContext& exec);

    /// The float model's scored rows of a window; valid until the next call.
    ConstView rows(std::size_t window);
    WindowScore score(std::size_t window, ConstView rows) { return m_scorer.score(window, rows); }
    /// What the float model's forwards have taken so far: no quantized cell's own time.
    double seconds() const { return m_seconds; }

    std::shared_ptr<const LoadedModel> model;
    ScoringText text;

private:
    ExecContext& m_exec;
    WindowScorer m_scorer;
    std::vector<std::optional<Tensor>> m_kept;
    Tensor m_passing;
    std::size_t m_keptBytes = 0;
    double m_seconds = 0.0;
};

/// One cell while it is measured.
struct CellMeasurement {
    std::vector<WindowScore> scores;
    std::vector<double> kl, agreement, tokens; ///< sums of each window
    std::vector<float> tokenKl;
};

/// Appends every window's scores and distances to `cell`.
/// @param quantized null: the float model itself  @param report is told which window comes next.
void measureWindows(
    StudyContext& context, SweepReference& reference, const LlamaModel* quantized,
    const std::function<void(std::size_t)>& report, CellMeasurement& cell);

/// Puts kl_mean and top1_agreement (with bounds), kl_median, kl_p99, kl_p999, and of texts that are
/// not too long kl_windows and token_windows.
void putDistances(Json& metrics, const CellMeasurement& cell, std::uint64_t seed);

} // namespace lathe
