// SPDX-License-Identifier: Apache-2.0
#include "engine/core/check.h"
#include "experiments/decode_pair.h"
#include "experiments/elapsed.h"
#include "experiments/parallel_text.h"
#include "experiments/studies/decode_params.h"
#include "experiments/studies/factories.h"
#include "experiments/studies/params.h"

#include <algorithm>

namespace lathe {

namespace {

StudyInfo describeStudy() {
    return {
        .id = "decode.align-data",
        .title = "Outputs to align a little model to",
        .summary = "Writes what a big model makes of each text, greedily, as lines of JSON that a "
                   "little model is trained on",
        .paper = "Big Little Decoder (arXiv 2302.07863), section 3.5.1",
        .params =
            {{.name = "big",
              .kind = ParamKind::Model,
              .help = "Model whose outputs are wanted",
              .choices = {kTranslates},
              .required = true},
             {.name = "source",
              .kind = ParamKind::File,
              .help = "Inputs of the training split, one a line; of pairs (.tsv, .jsonl) the first "
                      "of each",
              .required = true},
             {.name = "out",
              .kind = ParamKind::Text,
              .help = "File to write, .jsonl: a line of provenance, then {\"src\", \"tgt\"} a text",
              .required = true},
             maxNewParam(),
             {.name = "batch",
              .kind = ParamKind::Integer,
              .defaultValue = 16,
              .help = "Texts that are decoded together; each gives what it gives alone",
              .minimum = 1,
              .maximum = 256,
              .advanced = true}},
        .metrics = {
            {"texts", "Texts", "", 0, {}},
            {"tokens", "New tokens", "token", 0, {}},
            {"seconds", "Time", "s", -1, {}},
            {"tokens_per_s", "Tokens per second", "token/s", 1, {}},
            {"file", "File", "", 0, {}}}};
}

Json provenanceOf(const Spec& spec, const LoadedModel& model) {
    return {
        {"study", spec.study},
        {"model", model.name},
        {"model_hash", model.hash},
        {"source", textOf(spec.params, "source")},
        {"max_new", spec.params.at("max_new")},
        {"decoding", "greedy"}};
}

/// Texts [from, to), decoded together.
class Translator {
public:
    Translator(const Spec& spec, StudyContext& context, const LoadedModel& model)
        : m_spec(spec), m_context(context), m_model(model),
          m_decoder(context.exec, model.decoder()) {}

    std::vector<std::string>
    run(std::span<const std::string> sources, std::size_t first, std::int64_t& tokens) {
        std::vector<EncoderOutput> read;
        read.reserve(sources.size()); // requests refer to them
        std::vector<DecodeRequest> requests;
        for (std::size_t i = 0; i < sources.size(); ++i) {
            try {
                requests.push_back(request(sources[i], read));
            } catch (const InputError& error) {
                throw InputError("text " + std::to_string(first + i + 1) + ": " + error.what());
            }
        }
        const std::vector<DecodedText> all = decodeTexts(
            m_context.run, {.little = nullptr, .big = &m_decoder}, requests,
            {.options = bigAlone()});
        std::vector<std::string> texts;
        for (std::size_t i = 0; i < all.size(); ++i) {
            tokens += static_cast<std::int64_t>(all[i].tokens.size()) - all[i].promptLength;
            texts.push_back(newText(m_model.requireTokenizer(), all[i], requests[i].ends));
        }
        return texts;
    }

private:
    DecodeRequest request(const std::string& source, std::vector<EncoderOutput>& read) {
        DecodeRequest request =
            decodeRequest(m_model, source, m_spec.params.at("max_new").get<int>());
        if (const Encoder* encoder = m_model.encoder()) {
            read.push_back(encoder->encode(m_context.exec, request.lookup));
            request.bigEncoder = &read.back();
        }
        return request;
    }

    const Spec& m_spec;
    StudyContext& m_context;
    const LoadedModel& m_model;
    DecoderModel m_decoder;
};

class DecodeAlignData : public Study {
public:
    const StudyInfo& info() const override { return m_info; }
    Json run(const Spec& spec, StudyContext& context) const override;

private:
    StudyInfo m_info = describeStudy();
};

Json DecodeAlignData::run(const Spec& spec, StudyContext& context) const {
    const std::filesystem::path out = freeFile(spec.params);
    LATHE_CHECK(!out.empty(), "--out must name a file");
    const ParallelText texts = readParallelText(textOf(spec.params, "source"));
    const auto model =
        context.models.loadAny(textOf(spec.params, "big"), context.exec, context.run);
    Translator translator(spec, context, *model);
    const auto start = Clock::now();
    std::int64_t tokens = 0;
    std::string lines = dumpJson({{"provenance", provenanceOf(spec, *model)}}) + "\n";
    const auto batch = spec.params.at("batch").get<std::size_t>();
    const std::span<const std::string> all(texts.sources);
    for (std::size_t from = 0; from < all.size(); from += batch) {
        context.run.progress(
            static_cast<double>(from) / static_cast<double>(all.size()),
            "text " + std::to_string(from + 1) + " of " + std::to_string(all.size()));
        const auto sources = all.subspan(from, std::min(batch, all.size() - from));
        const std::vector<std::string> targets = translator.run(sources, from, tokens);
        for (std::size_t i = 0; i < targets.size(); ++i) {
            lines += dumpJson({{"src", sources[i]}, {"tgt", targets[i]}}) + "\n";
        }
    }
    writeWhole(out, lines);
    const double seconds = secondsSince(start);
    return {
        {"texts", texts.sources.size()},
        {"tokens", tokens},
        {"seconds", seconds},
        {"tokens_per_s", static_cast<double>(tokens) / seconds},
        {"file", out.string()}};
}

} // namespace

std::unique_ptr<Study> makeDecodeAlignData() { return std::make_unique<DecodeAlignData>(); }

} // namespace lathe
