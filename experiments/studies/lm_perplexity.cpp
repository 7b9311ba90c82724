// SPDX-License-Identifier: Apache-2.0
#include "engine/core/hash.h"
#include "experiments/elapsed.h"
#include "experiments/scoring.h"
#include "experiments/studies/factories.h"
#include "experiments/studies/params.h"

#include <cmath>

namespace lathe {

namespace {

StudyInfo describeStudy() {
    StudyInfo info{
        .id = "lm.perplexity",
        .title = "Perplexity of a text",
        .summary = "Scores a text with a language model, window by window",
        .params = {modelParam()},
        .metrics = languageMetrics()};
    append(info.params, scoringParams());
    append<MetricInfo>(
        info.metrics,
        {{"seconds", "Time", "s", -1, "Scoring, without loading; with --repeat, the median"},
         {"tokens_per_second", "Scored tokens per second", "1/s", 1, {}},
         {"output_hash", "Hash of the losses", "", 0, {}}});
    return info;
}

class LmPerplexity : public Study {
public:
    const StudyInfo& info() const override { return m_info; }
    Json run(const Spec& spec, StudyContext& context) const override;
    std::vector<std::filesystem::path> inputFiles(const Spec& spec) const override {
        return scoringFiles(spec.params);
    }

private:
    StudyInfo m_info = describeStudy();
};

Json LmPerplexity::run(const Spec& spec, StudyContext& context) const {
    const auto model = context.models.load(textOf(spec.params, "model"), context.exec, context.run);
    const ScoringText text = scoringTextFrom(spec.params, *model, context.run);
    WindowScorer scorer(context.exec, *model->model, text);
    const auto count = static_cast<double>(text.windows.size());
    std::vector<WindowScore> scores;
    std::vector<double> times;
    for (int turn = 0; turn < spec.repeat; ++turn) {
        const auto start = Clock::now();
        scores.clear();
        for (std::size_t w = 0; w < text.windows.size(); ++w) {
            context.run.checkpoint();
            context.run.progress(
                (turn + static_cast<double>(w) / count) / spec.repeat,
                "window " + std::to_string(w + 1) + " of " + std::to_string(text.windows.size()));
            scores.push_back(scorer.score(w, scorer.logits(w)));
            if (turn == 0) {
                context.run.metric(
                    "running_perplexity", perplexity(scores), {}, static_cast<std::int64_t>(w));
            }
        }
        times.push_back(secondsSince(start));
    }
    const double seconds = median(times);
    Json metrics = Json::object();
    putLanguageScores(metrics, scores, spec.seed);
    metrics["protocol"] = text.protocol;
    metrics["text_name"] = text.name;
    metrics["seconds"] = seconds;
    metrics["tokens_per_second"] = jsonNumber(metrics["tokens"].get<double>() / seconds);
    metrics["output_hash"] = hashBytes(std::as_bytes(std::span(scores)));
    return metrics;
}

} // namespace

std::unique_ptr<Study> makeLmPerplexity() { return std::make_unique<LmPerplexity>(); }

} // namespace lathe
