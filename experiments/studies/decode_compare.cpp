// SPDX-License-Identifier: Apache-2.0
#include "engine/core/check.h"
#include "engine/decode/decode_cost.h"
#include "engine/text/translation_metrics.h"
#include "experiments/decode_pair.h"
#include "experiments/elapsed.h"
#include "experiments/metrics.h"
#include "experiments/parallel_text.h"
#include "experiments/studies/decode_params.h"
#include "experiments/studies/factories.h"
#include "experiments/studies/params.h"
#include "experiments/text_generation.h"

#include <algorithm>
#include <fstream>
#include <map>
#include <set>

namespace lathe {

namespace {

constexpr const char* kBig = "big";

StudyInfo describeStudy() {
    StudyInfo info{
        .id = "decode.compare",
        .title = "Compare decoding strategies",
        .summary = "Decodes a set of texts with every strategy in turn and compares quality and "
                   "time with the big model alone",
        .paper = "Big Little Decoder (arXiv 2302.07863), table 1",
        .params = {
            {.name = "source",
             .kind = ParamKind::File,
             .help = "Texts, one a line; or pairs as .tsv or .jsonl (src, tgt). Nothing: the "
                     "bundled captions"},
            {.name = "reference",
             .kind = ParamKind::File,
             .help = "What they should become, one a line; needed for BLEU, chrF and ROUGE"},
            {.name = "strategy",
             .kind = ParamKind::Choice,
             .defaultValue = "bild",
             .help = "Who writes; each runs in turn with the others and with the big model alone",
             .choices = strategyNames(),
             .flag = "strategies",
             .sweep = true},
            {.name = "beside",
             .kind = ParamKind::Text,
             .defaultValue = "",
             .help = "Strategies that take turns with this one; filled in from --strategies",
             .advanced = true}}};
    append(info.params, strategyParams());
    append<ParamSpec>(
        info.params, {{.name = "max_texts",
                       .kind = ParamKind::Integer,
                       .defaultValue = 0,
                       .help = "First texts only; 0: all",
                       .minimum = 0},
                      {.name = "outputs",
                       .kind = ParamKind::File,
                       .help = "File for what the strategies wrote, as lines of JSON",
                       .advanced = true}});
    info.metrics = {
        {"bleu", "BLEU", "", 1, {}},
        {"chrf", "chrF", "", 1, {}},
        {"rouge_lsum", "ROUGE-Lsum", "", 1, {}},
        {"agreement", "Agreement with the big model alone", "%", 1,
         "Tokens that are the same at the same position"},
        {"ms_per_token", "Time per token", "ms", -1, "With encoders"},
        {"decode_ms_per_token", "Decoding time per token", "ms", -1, "Without encoders"},
        {"speedup", "Speed-up", "", 1,
         "Time of the big model alone over this one's, with encoders"},
        {"decode_speedup", "Speed-up of decoding", "", 1, "Without encoders"},
        {"predicted_speedup", "Predicted speed-up", "", 0,
         "From the times of calls and their numbers"}};
    append(info.metrics, countMetrics());
    append<MetricInfo>(
        info.metrics, {{"texts", "Texts", "", 0, {}},
                       {"tokens", "New tokens", "token", 0, {}},
                       {"seconds", "Time", "s", -1, "Of all texts, with encoders"},
                       {"encoder_seconds", "Time of the encoders", "s", -1, {}},
                       {"bleu_signature", "BLEU settings", "", 0, {}},
                       {"output_hash", "Hash of the new ids", "", 0, {}}});
    return info;
}

/// What a strategy made of all texts.
struct StrategyTexts {
    std::vector<std::string> texts;
    std::vector<std::vector<TokenId>> ids; ///< new ones
    std::vector<DecodeLog> logs;           ///< of the last pass
    DecodeCounts counts;
    std::vector<double> seconds, encoderSeconds; ///< of each pass
};

struct Comparison {
    ParallelText pairs;
    std::map<std::string, StrategyTexts> strategies;
};

std::vector<std::string> namesIn(const std::string& list) {
    std::vector<std::string> names;
    for (std::size_t from = 0; from < list.size();) {
        const std::size_t comma = std::min(list.find(',', from), list.size());
        names.push_back(list.substr(from, comma - from));
        from = comma + 1;
    }
    return names;
}

ParallelText pairsFrom(const Json& params) {
    const std::string source = textOf(params, "source"), reference = textOf(params, "reference");
    LATHE_CHECK(
        !source.empty() || reference.empty(), "--reference needs a --source that it translates");
    ParallelText pairs = source.empty() ? bundledCaptions() : readParallelText(source, reference);
    const auto most = params.at("max_texts").get<std::size_t>();
    if (most > 0 && most < pairs.sources.size()) {
        pairs.sources.resize(most);
        pairs.references.resize(pairs.hasReferences() ? most : 0);
    }
    return pairs;
}

/// All strategies, text by text in turn, so that what else the machine does falls on all alike.
/// The first text is decoded once by each before anything is timed.
class Comparer {
public:
    Comparer(const Spec& spec, StudyContext& context)
        : m_spec(spec), m_context(context),
          m_pair(context, textOf(spec.params, "big"), textOf(spec.params, "little")) {
        m_result.pairs = pairsFrom(spec.params);
        for (const std::string& name : namesIn(textOf(spec.params, "beside"))) {
            m_options.emplace_back(name, strategyFrom(name, spec.params));
        }
    }

    Comparison run() {
        for (const auto& [name, options] : m_options) {
            decode(0, options);
        }
        const int passes = std::max(1, m_spec.repeat);
        for (int pass = 0; pass < passes; ++pass) {
            for (auto& [name, options] : m_options) {
                StrategyTexts& texts = m_result.strategies[name];
                texts.texts.clear();
                texts.ids.clear();
                texts.logs.clear();
                texts.counts = {};
                texts.seconds.push_back(0.0);
                texts.encoderSeconds.push_back(0.0);
            }
            for (std::size_t i = 0; i < m_result.pairs.sources.size(); ++i) {
                m_context.run.progress(
                    (pass +
                     static_cast<double>(i) / static_cast<double>(m_result.pairs.sources.size())) /
                        passes,
                    "text " + std::to_string(i + 1) + " of " +
                        std::to_string(m_result.pairs.sources.size()));
                for (const auto& [name, options] : m_options) {
                    add(m_result.strategies.at(name), decode(i, options));
                }
            }
        }
        return std::move(m_result);
    }

private:
    PairText decode(std::size_t i, const DraftOptions& options) {
        try {
            return m_pair.decode(
                {.text = m_result.pairs.sources[i],
                 .maxNew = m_spec.params.at("max_new").get<int>(),
                 .seed = m_spec.seed + i},
                options);
        } catch (const InputError& error) {
            throw InputError("text " + std::to_string(i + 1) + ": " + error.what());
        }
    }

    static void add(StrategyTexts& texts, PairText decoded) {
        const std::span<const TokenId> ids = decoded.newIds();
        texts.ids.emplace_back(ids.begin(), ids.end());
        texts.texts.push_back(std::move(decoded.text));
        texts.counts += replay(decoded.decoded.log).counts;
        texts.seconds.back() += static_cast<double>(decoded.decoded.wallNs) / 1e9;
        texts.encoderSeconds.back() += static_cast<double>(decoded.encoderNs) / 1e9;
        texts.logs.push_back(std::move(decoded.decoded.log));
    }

    const Spec& m_spec;
    StudyContext& m_context;
    DecodePair m_pair;
    std::vector<std::pair<std::string, DraftOptions>> m_options;
    Comparison m_result;
};

std::size_t tokensOf(const StrategyTexts& texts) {
    std::size_t tokens = 0;
    for (const auto& ids : texts.ids) {
        tokens += ids.size();
    }
    return tokens;
}

/// In percent of the longer text's tokens, over all texts.
double agreementOf(const StrategyTexts& texts, const StrategyTexts& big) {
    double same = 0.0, all = 0.0;
    for (std::size_t i = 0; i < texts.ids.size(); ++i) {
        const auto longer = static_cast<double>(std::max(texts.ids[i].size(), big.ids[i].size()));
        same += longer * agreement<TokenId>(texts.ids[i], big.ids[i]);
        all += longer;
    }
    return all > 0.0 ? 100.0 * same / all : 100.0;
}

/// The big model alone against this strategy at the measured times of calls.
double predictedSpeedup(const StrategyTexts& texts, const StrategyTexts& big) {
    std::vector<DecodeLog> all = texts.logs;
    all.insert(all.end(), big.logs.begin(), big.logs.end());
    const CallCosts costs = measuredCosts(all);
    double alone = 0.0, together = 0.0;
    for (std::size_t i = 0; i < texts.logs.size(); ++i) {
        alone += modelledMs(big.logs[i], costs);
        together += modelledMs(texts.logs[i], costs);
    }
    return alone / together;
}

void putQuality(Json& metrics, const StrategyTexts& texts, const Comparison& all) {
    for (const char* name : {"bleu", "chrf", "rouge_lsum", "bleu_signature"}) {
        metrics[name] = nullptr;
    }
    if (!all.pairs.hasReferences()) {
        return;
    }
    const std::vector<std::string>& references = all.pairs.references;
    metrics["bleu"] = corpusBleu(texts.texts, references).score;
    metrics["chrf"] = corpusChrf(texts.texts, references);
    metrics["rouge_lsum"] = rougeLsum(texts.texts, references);
    metrics["bleu_signature"] = bleuSignature();
}

void writeOutputs(const Comparison& all, const std::filesystem::path& path) {
    std::ofstream file(path, std::ios::binary);
    for (const auto& [name, texts] : all.strategies) {
        for (std::size_t i = 0; i < texts.texts.size(); ++i) {
            file << dumpJson(
                        {{"strategy", name},
                         {"text", i + 1},
                         {"source", all.pairs.sources[i]},
                         {"output", texts.texts[i]},
                         {"ids", texts.ids[i]}})
                 << '\n';
        }
    }
    file.close();
    LATHE_CHECK(!file.fail(), path.string() + " cannot be written");
}

class DecodeCompare : public Study {
public:
    const StudyInfo& info() const override { return m_info; }
    std::vector<Json> cells(const Spec& spec) const override;
    Json run(const Spec& spec, StudyContext& context) const override;

private:
    StudyInfo m_info = describeStudy();
};

/// Each knows all of them, and the big model alone is always among those that take turns.
std::vector<Json> DecodeCompare::cells(const Spec& spec) const {
    const auto swept = spec.sweep.find("strategy");
    const Json names =
        swept != spec.sweep.end() ? *swept : Json::array({spec.params.at("strategy")});
    std::set<std::string> seen{kBig};
    std::string beside = kBig;
    for (const Json& name : names) {
        if (seen.insert(name.get<std::string>()).second) {
            beside += "," + name.get<std::string>();
        }
    }
    std::vector<Json> cells = Study::cells(spec);
    for (Json& cell : cells) {
        cell["beside"] = beside;
    }
    return cells;
}

Json DecodeCompare::run(const Spec& spec, StudyContext& context) const {
    Json shared = spec.params;
    shared.erase("strategy");
    const Comparison& all = context.cache.get<Comparison>("compare " + dumpJson(shared), [&] {
        const std::filesystem::path outputs = freeFile(spec.params, "outputs");
        Comparison made = Comparer(spec, context).run();
        if (!outputs.empty()) {
            writeOutputs(made, outputs);
        }
        return made;
    });
    const StrategyTexts& texts = all.strategies.at(textOf(spec.params, "strategy"));
    const StrategyTexts& big = all.strategies.at(kBig);
    const double seconds = median(texts.seconds), encoders = median(texts.encoderSeconds);
    const double bigSeconds = median(big.seconds), bigEncoders = median(big.encoderSeconds);
    const auto tokens = static_cast<double>(tokensOf(texts));
    Json metrics{
        {"agreement", agreementOf(texts, big)},
        {"ms_per_token", jsonNumber(1e3 * seconds / tokens)},
        {"decode_ms_per_token", jsonNumber(1e3 * (seconds - encoders) / tokens)},
        {"speedup", bigSeconds / seconds},
        {"decode_speedup", (bigSeconds - bigEncoders) / (seconds - encoders)},
        {"predicted_speedup", predictedSpeedup(texts, big)},
        {"texts", texts.texts.size()},
        {"tokens", tokensOf(texts)},
        {"seconds", seconds},
        {"encoder_seconds", encoders}};
    putQuality(metrics, texts, all);
    putCounts(metrics, texts.counts);
    std::vector<TokenId> ids;
    for (const auto& one : texts.ids) {
        ids.insert(ids.end(), one.begin(), one.end());
    }
    metrics["output_hash"] = hashIds(ids);
    return metrics;
}

} // namespace

std::unique_ptr<Study> makeDecodeCompare() { return std::make_unique<DecodeCompare>(); }

} // namespace lathe
