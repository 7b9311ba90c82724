// SPDX-License-Identifier: Apache-2.0
#include "engine/core/hash.h"
#include "experiments/elapsed.h"
#include "experiments/scoring.h"
#include "experiments/sensitivities.h"
#include "experiments/studies/factories.h"
#include "experiments/studies/params.h"

namespace lathe {

namespace {

StudyInfo describeStudy() {
    StudyInfo info{
        .id = "quant.sensitivity",
        .title = "Sensitivities of a model",
        .summary =
            "Computes how much a language model's loss hangs on each weight: the mean square of "
            "its gradients over samples of text",
        .paper = "SqueezeLLM (arXiv 2306.07629)",
        .params = {modelParam()}};
    append<ParamSpec>(
        info.params,
        {{.name = "samples",
          .kind = ParamKind::Integer,
          .defaultValue = CalibrationChoice{}.samples,
          .help = "Samples of text whose squared gradients are averaged",
          .minimum = 1,
          .maximum = 1 << 16},
         {.name = "length",
          .kind = ParamKind::Integer,
          .defaultValue = 0,
          .help = "Length of a sample; 0: the length that the model was trained with",
          .unit = "token",
          .minimum = 0,
          .maximum = 1 << 20,
          .advanced = true},
         {.name = "text",
          .kind = ParamKind::File,
          .help = "Text to take random samples from; without one, what the model itself writes"},
         cleanParam(),
         {.name = "out",
          .kind = ParamKind::Text,
          .help = "File to write, .safetensors; without one, the result stays in the cache"}});
    info.metrics = {
        {"total", "Sum of all sensitivities", "", 0, {}},
        {"loss", "Loss of the calibration text", "nat", -1, "Mean over the predicted tokens"},
        {"samples", "Samples", "", 0, {}},
        {"length", "Length of a sample", "token", 0, {}},
        {"tokens", "Predicted tokens", "token", 0, {}},
        {"seconds", "Time", "s", -1, "Without loading the model"},
        {"bytes", "Size of the file", "byte", -1, {}},
        {"cached", "From the cache", "", 0, "1 when nothing had to be computed"},
        {"path", "File", "", 0, {}},
        {"hash", "Hash of the file", "", 0, "XXH3-128"},
        {"modules", "Sums by module", "", 0, {}}};
    return info;
}

class QuantSensitivity : public Study {
public:
    const StudyInfo& info() const override { return m_info; }
    Json run(const Spec& spec, StudyContext& context) const override;
    std::vector<std::filesystem::path> inputFiles(const Spec& spec) const override {
        return trainingRecords(spec.params);
    }

private:
    StudyInfo m_info = describeStudy();
};

Json QuantSensitivity::run(const Spec& spec, StudyContext& context) const {
    std::filesystem::path path = freeFile(spec.params);
    const auto model = context.models.load(textOf(spec.params, "model"), context.exec, context.run);
    const CalibrationChoice choice{
        .text = textOf(spec.params, "text"),
        .clean = textOf(spec.params, "clean"),
        .samples = spec.params.at("samples").get<int>(),
        .length = spec.params.at("length").get<std::int64_t>(),
        .seed = spec.seed};
    const auto start = Clock::now();
    const FoundSensitivities found = findSensitivities(context, *model, choice);
    const double seconds = secondsSince(start);
    const Sensitivities& values = *found.values;
    Json sums = Json::object();
    double total = 0.0;
    std::vector<std::pair<std::string, Tensor>> tensors;
    for (const auto& [name, linear] : std::as_const(*model->model).modules()) {
        context.run.checkpoint();
        const double sum = values.total(name);
        sums[name] = jsonNumber(sum);
        total += sum;
        if (!path.empty()) {
            tensors.emplace_back(name, values.of(name));
        }
    }
    if (path.empty()) {
        path = values.path();
    } else {
        writeSensitivities(path, values.record(), tensors);
    }
    const SensitivityRecord& record = values.record();
    return {
        {"total", jsonNumber(total)},
        {"loss", jsonNumber(record.loss)},
        {"samples", record.samples},
        {"length", record.length},
        {"tokens", record.samples * (record.length - 1)},
        {"seconds", seconds},
        {"bytes", values.fileBytes()},
        {"cached", found.computedBlocks == 0 ? 1 : 0},
        {"path", path.string()},
        {"hash", hashPath(path)},
        {"modules", sums},
        {"output_hash", hashText(dumpJson(sums))}};
}

} // namespace

std::unique_ptr<Study> makeQuantSensitivity() { return std::make_unique<QuantSensitivity>(); }

} // namespace lathe
