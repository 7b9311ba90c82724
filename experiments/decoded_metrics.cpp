// SPDX-License-Identifier: Apache-2.0
#include "experiments/decoded_metrics.h"

#include "engine/core/json_number.h"
#include "engine/decode/decode_cost.h"
#include "engine/text/translation_metrics.h"
#include "experiments/metrics.h"
#include "experiments/studies/decode_params.h"
#include "experiments/studies/params.h"
#include "experiments/text_generation.h"

#include <array>

namespace lathe {

namespace {

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

} // namespace

std::vector<MetricInfo> decodedMetricInfos() {
    std::vector<MetricInfo> metrics{
        {"text", "Text", "", 0, {}},
        {"tokens", "New tokens", "token", 0, {}},
        {"ms_per_token", "Time per token", "ms", -1, "With encoders"},
        {"wall_ms", "Time", "ms", -1, "With encoders"},
        {"encoder_ms", "Time of the encoders", "ms", -1, {}},
        {"speedup", "Speed-up over the big model alone", "", 1,
         "By one text each, the fastest of some passes, with encoders: a hint; decode.compare "
         "measures"},
        {"agreement", "Agreement with the big model alone", "%", 1,
         "Tokens that are the same at the same position"}};
    append(metrics, countMetrics());
    append<MetricInfo>(
        metrics, {{"events", "Event log", "", 0, "What happened, in order"},
                  {"prompt", "Prompt ids", "", 0, {}},
                  {"pieces", "Pieces", "", 0, "Of the ids in the log, for displays"},
                  {"costs", "Times of calls", "ms", 0, "What other thresholds are timed by"},
                  {"options", "Thresholds", "", 0, "All that decided, with the presets' values"},
                  {"alone", "The big model alone", "", 0, "Its text and times"},
                  {"output_hash", "Hash of the new ids", "", 0, {}}});
    return metrics;
}

Json decodedMetrics(
    const Tokenizer& tokenizer, const DraftOptions& options, const PairText& result,
    const PairText& alone) {
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
        {"options", toJson(options.bild)},
        {"alone", aloneJson(alone)},
        {"costs", toJson(measuredCosts(std::array{result.decoded.log, alone.decoded.log}))},
        {"events", toJson(result.decoded.log).at("events")},
        {"prompt", result.decoded.log.prompt},
        {"pieces", piecesOf(tokenizer, result.decoded.log)},
        {"output_hash", hashIds(result.newIds())}};
    putCounts(metrics, replay(result.decoded.log).counts);
    return metrics;
}

} // namespace lathe
