// SPDX-License-Identifier: Apache-2.0
#include "experiments/kl_scoring.h"

#include "experiments/elapsed.h"
#include "experiments/studies/params.h"

namespace lathe {

namespace {

/// Reference logits kept for the whole run; windows beyond it are scored by the float model again.
constexpr std::size_t kReferenceBytes = std::size_t{512} << 20;
/// Windows up to which each one's divergence is recorded.
constexpr std::size_t kMostRecordedWindows = 4096;

} // namespace

SweepReference::SweepReference(
    std::shared_ptr<const LoadedModel> floatModel, ScoringText scored, ExecContext& exec)
    : model(std::move(floatModel)), text(std::move(scored)), m_exec(exec),
      m_scorer(exec, *model->model, text), m_kept(text.windows.size()) {}

SweepReference::SweepReference(const Json& params, StudyContext& context)
    : model(context.models.load(textOf(params, "model"), context.exec, context.run)),
      text(scoringTextFrom(params, *model, context.run)), m_exec(context.exec),
      m_scorer(context.exec, *model->model, text), m_kept(text.windows.size()) {}

ConstView SweepReference::rows(std::size_t window) {
    if (m_kept[window]) {
        return m_kept[window]->view();
    }
    const auto start = Clock::now();
    const ConstView fresh = m_scorer.logits(window);
    // The next forward of any model on this context overwrites what the scorer gave.
    Tensor copied = Tensor::empty(fresh.shape, fresh.dtype, fresh.device);
    copy(m_exec, fresh, copied.view());
    m_exec.synchronize();
    m_seconds += secondsSince(start);
    if (m_keptBytes + copied.bytes() > kReferenceBytes) {
        m_passing = std::move(copied);
        return m_passing.view();
    }
    m_keptBytes += copied.bytes();
    m_kept[window] = std::move(copied);
    return m_kept[window]->view();
}

void measureWindows(
    StudyContext& context, SweepReference& reference, const LlamaModel* quantized,
    const std::function<void(std::size_t)>& report, CellMeasurement& cell) {
    const std::size_t count = reference.text.windows.size();
    std::optional<WindowScorer> scorer;
    if (quantized != nullptr) {
        scorer.emplace(context.exec, *quantized, reference.text);
    }
    for (std::size_t w = 0; w < count; ++w) {
        context.run.checkpoint();
        report(w);
        const ConstView wanted = reference.rows(w);
        const ConstView rows = scorer ? scorer->logits(w) : wanted;
        const WindowDistance away = distance(context.exec, wanted, rows);
        cell.scores.push_back(reference.score(w, rows));
        cell.kl.push_back(away.kl);
        cell.tokenKl.insert(cell.tokenKl.end(), away.tokenKl.begin(), away.tokenKl.end());
        cell.agreement.push_back(away.agreement);
        cell.tokens.push_back(cell.scores.back().tokens);
    }
}

void putDistances(Json& metrics, const CellMeasurement& cell, std::uint64_t seed) {
    const auto put = [&](const char* name, const std::vector<double>& sums) {
        const double value = mean(sums) / mean(cell.tokens);
        putWithInterval(metrics, name, value, bootstrapRatio(sums, cell.tokens, seed));
    };
    put("kl_mean", cell.kl);
    put("top1_agreement", cell.agreement);
    putTail(metrics, "kl", cell.tokenKl);
    if (cell.kl.size() <= kMostRecordedWindows) {
        metrics["kl_windows"] = cell.kl;
        metrics["token_windows"] = cell.tokens;
    }
}

} // namespace lathe
