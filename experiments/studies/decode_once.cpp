// SPDX-License-Identifier: Apache-2.0
#include "engine/core/check.h"
#include "engine/core/json_number.h"
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

constexpr int kWarmUpTokens = 4;

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
                     "sampling, or drafts copied from the text",
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
        {"speedup", "Speed-up over the big model alone", "", 1,
         "By one text each, with encoders: a hint; decode.compare measures"},
        {"agreement", "Agreement with the big model alone", "%", 1,
         "Tokens that are the same at the same position"}};
    append(info.metrics, countMetrics());
    append<MetricInfo>(
        info.metrics, {{"events", "Event log", "", 0, "What happened, in order"},
                       {"prompt", "Prompt ids", "", 0, {}},
                       {"pieces", "Pieces", "", 0, "Of the ids in the log, for displays"},
                       {"alone", "The big model alone", "", 0, "Its text and times"},
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
void emitStep(StudyContext& context, const Tokenizer& tokenizer, const DecodeEvent& event) {
    const auto pieceOf = [&](TokenId id) {
        return id >= 0 && id < tokenizer.size() ? tokenizer.piece(id) : std::string();
    };
    context.run.emit(DecodeStep{event, pieceOf(event.token), pieceOf(event.argmaxL)});
}

/// When each token of the big model alone was there, for a race against it.
Json aloneJson(const PairText& alone) {
    Json times = Json::array();
    for (const DecodeEvent& event : alone.decoded.log.events) {
        if (event.kind == DecodeEventKind::Verify) {
            times.push_back(static_cast<double>(event.t1Ns) / 1e6);
        }
    }
    return {
        {"text", alone.text},
        {"wall_ms", static_cast<double>(alone.decoded.wallNs) / 1e6},
        {"encoder_ms", static_cast<double>(alone.encoderNs) / 1e6},
        {"token_ms", std::move(times)}};
}

/// First calls allocate and touch memory: both models make a few before anything is timed.
void warmUp(DecodePair& pair, PairRequest request) {
    request.maxNew = std::min(request.maxNew, kWarmUpTokens);
    pair.decode(request, lossless(kWarmUpTokens));
}

class DecodeOnce : public Study {
public:
    const StudyInfo& info() const override { return m_info; }
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
    const DraftOptions options = strategyFrom(textOf(params, "strategy"), params);
    DecodePair pair(context, textOf(params, "big"), textOf(params, "little"));
    const PairRequest request{
        .text = textOf(params, "source"),
        .maxNew = params.at("max_new").get<int>(),
        .seed = spec.seed};
    context.run.progress(0.1, "decoding");
    warmUp(pair, request);
    const PairText result = pair.decode(request, options, [&](const DecodeEvent& event) {
        emitStep(context, pair.tokenizer(), event);
    });
    context.run.progress(0.7, "comparing with the big model alone");
    const bool isAlone = textOf(params, "strategy") == kBigAlone;
    const PairText alone = isAlone ? result : pair.decode(request, bigAlone(options.sampling));
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
        {"speedup", jsonNumber(static_cast<double>(alone.decoded.wallNs) / 1e6 / wall)},
        {"agreement", 100.0 * agreement(result.newIds(), alone.newIds())},
        {"alone", aloneJson(alone)},
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
