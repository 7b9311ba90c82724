// SPDX-License-Identifier: Apache-2.0
#include "engine/core/check.h"
#include "engine/text/translation_metrics.h"
#include "experiments/decode_pair.h"
#include "experiments/metrics.h"
#include "experiments/strategy_comparison.h"
#include "experiments/studies/decode_params.h"
#include "experiments/studies/factories.h"
#include "experiments/studies/params.h"
#include "experiments/text_generation.h"

namespace lathe {

namespace {

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
    info.metrics = {
        {"text", "Text", "", 0, {}},
        {"tokens", "New tokens", "token", 0, {}},
        {"ms_per_token", "Time per token", "ms", -1, "With encoders"},
        {"wall_ms", "Time", "ms", -1, "With encoders"},
        {"encoder_ms", "Time of the encoders", "ms", -1, {}},
        {"agreement", "Agreement with the big model alone", "%", 1,
         "Tokens that are the same at the same position"}};
    append(info.metrics, countMetrics());
    append<MetricInfo>(
        info.metrics, {{"events", "Event log", "", 0, "What happened, in order"},
                       {"prompt", "Prompt ids", "", 0, {}},
                       {"pieces", "Pieces", "", 0, "Of the ids in the log, for displays"},
                       {"output_hash", "Hash of the new ids", "", 0, {}}});
    return info;
}

/// Spelled as the vocabulary does, by id, for all ids that a log names.
Json piecesOf(const Tokenizer& tokenizer, const DecodeLog& log) {
    Json pieces = Json::object();
    const auto add = [&](TokenId id) {
        if (id >= 0 && id < tokenizer.size()) {
            pieces[std::to_string(id)] = tokenizer.piece(id);
        }
    };
    for (const TokenId id : log.prompt) {
        add(id);
    }
    for (const DecodeEvent& event : log.events) {
        add(event.token);
        add(event.argmaxL);
    }
    return pieces;
}

/// What a screen shows while the text grows.
void emitToken(
    StudyContext& context, const DecodePair& pair, const DecodeEvent& event, Drafter drafter,
    bool byLittle) {
    context.run.emit(TokenDecoded{
        .position = static_cast<int>(event.pos),
        .token = event.token,
        .text = pair.tokenizer().piece(event.token),
        .model = byLittle ? pair.nameOf(drafter) : pair.big().name,
        .origin = std::string(nameOf(event.kind)),
        .probability = byLittle ? event.c : event.pLArgmax,
        .microseconds = static_cast<double>(event.t1Ns - event.t0Ns) / 1e3});
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
    const PairText result = pair.decode(request, strategy, [&](const DecodeEvent& event) {
        if (event.token >= 0) {
            const bool byLittle =
                event.kind == DecodeEventKind::Draft || event.kind == DecodeEventKind::Fallback;
            emitToken(context, pair, event, strategy.drafter, byLittle);
        }
    });
    double agreed = 1.0;
    if (textOf(params, "strategy") != kBigAlone) {
        context.run.progress(0.7, "comparing with the big model alone");
        const PairText alone = pair.decode(request, {bigAlone(strategy.options.sampling)});
        agreed = lathe::agreement(result.newIds(), alone.newIds());
    }
    if (!out.empty()) {
        const DecodeLog& log = result.decoded.log;
        writeWhole(out, out.extension() == ".csv" ? toCsv(log) : dumpJson(toJson(log)) + "\n");
    }
    const auto tokens = static_cast<double>(result.newIds().size());
    const double wall = static_cast<double>(result.decoded.wallNs) / 1e6;
    Json metrics{
        {"text", result.text},
        {"tokens", result.newIds().size()},
        {"ms_per_token", jsonNumber(wall / tokens)},
        {"wall_ms", wall},
        {"encoder_ms", static_cast<double>(result.encoderNs) / 1e6},
        {"agreement", 100.0 * agreed},
        {"events", toJson(result.decoded.log).at("events")},
        {"prompt", result.decoded.log.prompt},
        {"pieces", piecesOf(pair.tokenizer(), result.decoded.log)},
        {"output_hash", hashIds(result.newIds())}};
    putCounts(metrics, replay(result.decoded.log).counts);
    return metrics;
}

} // namespace

std::unique_ptr<Study> makeDecodeOnce() { return std::make_unique<DecodeOnce>(); }

} // namespace lathe
