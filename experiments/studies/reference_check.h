// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "engine/core/json.h"
#include "engine/io/safetensors.h"
#include "engine/text/tokenizer.h"
#include "experiments/model_cache.h"
#include "experiments/study.h"

#include <span>
#include <string>
#include <vector>

/// Comparing what a model gives with a file of references.
namespace lathe {

/// @throws FormatError unless the tensor holds I32.
std::vector<TokenId> readIds(const SafetensorsFile& file, const std::string& name);

/// What a model gave, on the host.
struct HostRows {
    std::vector<float> values;
    std::int64_t rows = 0;
    std::int64_t columns = 0;
};

HostRows toHost(ExecContext& context, ConstView view);
/// More rows behind those that are there.
void appendRows(HostRows& all, const HostRows& more);

/// Largest deviations of `got` from a tensor of the reference. Anything not finite counts as
/// infinite. @throws FormatError when the shapes differ.
Json compareRows(
    const SafetensorsFile& reference, const std::string& name, const HostRows& got, double bound);

/// Puts the outputs into the metrics, with the largest error and whether all passed.
void summarize(Json outputs, Json& metrics);
/// Whether the ids are those of the reference, into the metrics; `pass` stays only if they are.
void compareGreedy(
    const std::vector<TokenId>& made, const std::vector<TokenId>& wanted, Json& metrics);

/// Logits of the input ids fed as they are when text is made.
/// @param encoder null for a model that continues text.
HostRows logitsByStep(
    StudyContext& context, const Decoder& model, const EncoderOutput* encoder,
    std::span<const TokenId> input);

/// Makes exactly as many ids as the reference has (`total`), end-of-text ignored.
std::vector<TokenId> greedyIds(
    const Spec& spec, StudyContext& context, const Decoder& model, const EncoderOutput* encoder,
    const std::vector<TokenId>& prompt, std::size_t total);

/// Compares an encoder-decoder with its reference: for every text k the tensors `k.input_ids`,
/// `k.encoder_output`, `k.greedy_ids` (the start token first) and `k.logits` (of all but the last
/// of them). Sets outputs, greedy_equal, greedy_ids, output_hash, max_abs, rows_equal and pass.
/// @throws FormatError when one is missing.
void checkTranslations(
    const Spec& spec, StudyContext& context, const LoadedModel& model,
    const SafetensorsFile& reference, double bound, Json& metrics);

} // namespace lathe
