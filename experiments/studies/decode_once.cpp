// SPDX-License-Identifier: Apache-2.0
#include "engine/core/check.h"
#include "engine/core/json_number.h"
#include "experiments/decode_pair.h"
#include "experiments/decoded_metrics.h"
#include "experiments/fastest_pass.h"
#include "experiments/metrics.h"
#include "experiments/strategy_comparison.h"
#include "experiments/studies/decode_params.h"
#include "experiments/studies/factories.h"
#include "experiments/studies/params.h"
#include "experiments/text_generation.h"

namespace lathe {

namespace {

constexpr int kWarmUpTokens = 4;
/// A text of a moment is easily disturbed, most of all by the screen that shows it: it is decoded
/// again for so long, and the fastest pass counts, of the big model alone too.
constexpr std::int64_t kAgainNs = 150'000'000;
constexpr int kMostPasses = 20;

StudyInfo describeStudy() {
    StudyInfo info{
        .id = "decode.once",
        .title = "Decode one text",
        .summary = "Decodes one text with a big and a little model and records the life of every "
                   "token",
        .paper = "Big Little Decoder (arXiv 2302.07863)",
        .params = {
            {.name = "source",
             .kind = ParamKind::Text,
             .help = "Text to translate, or to continue",
             .required = true},
            {.name = "strategy",
             .kind = ParamKind::Choice,
             .defaultValue = "bild",
             .help = "Who writes: one model alone, both with fallback and rollback, rejection "
                     "sampling, drafts copied from the text, or the big model with drafts of its "
                     "own, quantized (self) or of its first layers (early-exit)",
             .choices = strategyNames(),
             .sweep = true}}};
    append(info.params, strategyParams());
    append<ParamSpec>(
        info.params, {{.name = "out",
                       .kind = ParamKind::Text,
                       .help = "File for the event log: .json or .csv",
                       .advanced = true}});
    info.metrics = decodedMetricInfos();
    return info;
}

/// What a screen shows while the text grows.
void emitStep(StudyContext& context, const Tokenizer& tokenizer, const DecodeEvent& event) {
    const auto pieceOf = [&](TokenId id) {
        return id >= 0 && id < tokenizer.size() ? tokenizer.piece(id) : std::string();
    };
    context.run.emit(DecodeStep{event, pieceOf(event.token), pieceOf(event.argmaxL)});
}

/// First calls allocate and touch memory: all models make a few before anything is timed.
void warmUp(DecodePair& pair, PairRequest request, const Strategy& strategy) {
    request.maxNew = std::min(request.maxNew, kWarmUpTokens);
    pair.decode(request, strategy);
    pair.decode(request, {bigAlone()});
}

class DecodeOnce : public Study {
public:
    const StudyInfo& info() const override { return m_info; }
    std::vector<std::filesystem::path> inputFiles(const Spec& spec) const override {
        return presetFiles(spec.params);
    }
    Json run(const Spec& spec, StudyContext& context) const override;

private:
    StudyInfo m_info = describeStudy();
};

Json DecodeOnce::run(const Spec& spec, StudyContext& context) const {
    const Json& params = spec.params;
    const std::filesystem::path out = freeFile(params);
    LATHE_CHECK(
        out.empty() || out.extension() == ".json" || out.extension() == ".csv",
        "--out " + out.string() + " is neither .json nor .csv");
    const Strategy strategy = strategyFrom(textOf(params, "strategy"), params);
    DecodePair pair(context, pairChoiceFrom(params));
    const PairRequest request{
        .text = textOf(params, "source"),
        .maxNew = params.at("max_new").get<int>(),
        .seed = spec.seed};
    context.run.progress(0.1, "decoding");
    warmUp(pair, request, strategy);
    FastestPass result(pair.decode(request, strategy, [&](const DecodeEvent& event) {
        emitStep(context, pair.tokenizer(), event);
    }));
    context.run.progress(0.7, "comparing with the big model alone");
    const bool isAlone = textOf(params, "strategy") == kBigAlone;
    const Strategy alone{bigAlone(strategy.options.sampling)};
    FastestPass aloneResult(isAlone ? result.get() : pair.decode(request, alone));
    std::int64_t spent = result.get().decoded.wallNs + aloneResult.get().decoded.wallNs;
    for (int pass = 1; pass < kMostPasses && spent < kAgainNs; ++pass) {
        context.run.checkpoint();
        spent += result.add(pair.decode(request, strategy));
        spent += aloneResult.add(isAlone ? result.get() : pair.decode(request, alone));
    }
    if (!out.empty()) {
        const DecodeLog& log = result.get().decoded.log;
        writeWhole(out, out.extension() == ".csv" ? toCsv(log) : dumpJson(toJson(log)) + "\n");
    }
    return decodedMetrics(pair.tokenizer(), strategy.options, result.get(), aloneResult.get());
}

} // namespace

std::unique_ptr<Study> makeDecodeOnce() { return std::make_unique<DecodeOnce>(); }

} // namespace lathe
