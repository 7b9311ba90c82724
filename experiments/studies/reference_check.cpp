// SPDX-License-Identifier: Apache-2.0
#include "experiments/studies/reference_check.h"

#include "engine/core/check.h"
#include "engine/decode/generate.h"
#include "experiments/text_generation.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace lathe {

std::vector<TokenId> readIds(const SafetensorsFile& file, const std::string& name) {
    const Tensor tensor = file.tensor(name);
    if (tensor.dtype() == DType::I32) {
        const auto ids = tensor.view().as<std::int32_t>();
        return {ids.begin(), ids.end()};
    }
    throw FormatError(
        file.path().string() + ": '" + name + "' is " + std::string(nameOf(tensor.dtype())) +
        ", ids must be I32");
}

HostRows toHost(ExecContext& context, ConstView view) {
    HostRows host{
        std::vector<float>(static_cast<std::size_t>(view.elementCount())), view.shape[0],
        view.shape.rowElements()};
    copy(context, view, viewOf(std::span(host.values), view.shape));
    return host;
}

void appendRows(HostRows& all, const HostRows& more) {
    all.values.insert(all.values.end(), more.values.begin(), more.values.end());
    all.rows += more.rows;
    all.columns = more.columns;
}

Json compareRows(
    const SafetensorsFile& reference, const std::string& name, const HostRows& got, double bound) {
    const Tensor tensor = reference.tensor(name);
    const Shape shape{got.rows, got.columns};
    if (tensor.dtype() != DType::F32 || !(tensor.shape() == shape)) {
        throw FormatError(
            reference.path().string() + ": '" + name + "' is " +
            std::string(nameOf(tensor.dtype())) + " " + tensor.shape().text() +
            ", the model gives F32 " + shape.text());
    }
    const auto wanted = tensor.view().as<float>();
    double largest = 0.0;
    for (const float value : wanted) {
        largest = std::max(largest, std::fabs(static_cast<double>(value)));
    }
    const double floor = std::max(largest * 1e-3, std::numeric_limits<double>::min());
    double absolute = 0.0;
    double relative = 0.0;
    for (std::size_t i = 0; i < wanted.size(); ++i) {
        const double want = wanted[i];
        double away = std::fabs(static_cast<double>(got.values[i]) - want);
        if (!std::isfinite(away)) {
            away = std::numeric_limits<double>::infinity();
        }
        absolute = std::max(absolute, away);
        relative = std::max(relative, away / std::max(std::fabs(want), floor));
    }
    return {
        {"name", name},
        {"max_abs", jsonNumber(absolute)},
        {"max_rel", jsonNumber(relative)},
        {"bound", bound},
        {"pass", absolute <= bound}};
}

void summarize(Json outputs, Json& metrics) {
    double largest = 0.0;
    bool pass = true;
    for (const Json& output : outputs) {
        largest = std::max(
            largest, output.at("max_abs").is_null() ? std::numeric_limits<double>::infinity()
                                                    : output.at("max_abs").get<double>());
        pass = pass && output.at("pass").get<bool>();
    }
    metrics["max_abs"] = jsonNumber(largest);
    metrics["pass"] = pass;
    metrics["outputs"] = std::move(outputs);
}

void compareGreedy(
    const std::vector<TokenId>& made, const std::vector<TokenId>& wanted, Json& metrics) {
    metrics["greedy_equal"] = made == wanted;
    metrics["greedy_ids"] = made;
    metrics["output_hash"] = hashIds(made);
    metrics["pass"] = metrics.at("pass").get<bool>() && made == wanted;
}

HostRows logitsByStep(
    StudyContext& context, const Decoder& model, const EncoderOutput* encoder,
    std::span<const TokenId> input) {
    const auto state = model.begin(context.exec, static_cast<std::int64_t>(input.size()), encoder);
    HostRows all;
    for (std::size_t i = 0; i < input.size(); ++i) {
        context.run.checkpoint();
        const DecodeSlot slot{*state, input.subspan(i, 1)};
        appendRows(all, toHost(context.exec, model.forward(context.exec, {&slot, 1})));
    }
    return all;
}

std::vector<TokenId> greedyIds(
    const Spec& spec, StudyContext& context, const Decoder& model, const EncoderOutput* encoder,
    const std::vector<TokenId>& prompt, std::size_t total) {
    LATHE_CHECK(
        !prompt.empty() && prompt.size() < total,
        "the reference's greedy ids must continue its prompt ids");
    const GenerateOptions options{
        .maxNew = static_cast<int>(total - prompt.size()), .stopAtEos = false, .encoder = encoder};
    Random random(spec.seed);
    return generate(
        context.run, context.exec, model, prompt, std::nullopt, options, random,
        [](const GeneratedToken&) {});
}

} // namespace lathe
