// SPDX-License-Identifier: Apache-2.0
#include "experiments/calibration_text.h"

#include "engine/base/random.h"
#include "engine/core/cache_folder.h"
#include "engine/core/check.h"
#include "engine/core/hash.h"
#include "engine/decode/sampler.h"
#include "engine/io/mapped_file.h"
#include "engine/io/safetensors.h"
#include "experiments/datasets.h"
#include "experiments/scoring.h"
#include "experiments/studies/params.h"
#include "experiments/text_generation.h"

#include <algorithm>
#include <optional>

namespace lathe {

namespace {

constexpr std::size_t kMaxTextBytes = std::size_t{256} << 20; ///< as readText takes
/// Sequences that are written together: as many rows as read the weights once.
constexpr std::size_t kTogether = 8;
/// Changes when the same seed gives other ids.
constexpr int kWritingVersion = 1;

using Samples = std::vector<std::vector<TokenId>>;

std::string contentHash(const std::filesystem::path& path) {
    return hashText(readTextFile(path, kMaxTextBytes));
}

std::string hashOf(const Samples& samples) {
    Hasher hasher;
    for (const std::vector<TokenId>& ids : samples) {
        hasher.update(std::as_bytes(std::span(ids)));
    }
    return hasher.hex();
}

TokenId firstToken(const LoadedModel& model) {
    std::optional<TokenId> bos = model.model->config().bos;
    if (model.tokenizer != nullptr && model.tokenizer->bos()) {
        bos = model.tokenizer->bos();
    }
    if (!bos || *bos < 0 || *bos >= model.model->vocabularySize()) {
        throw InputError(
            model.name +
            " names no beginning-of-text token to write from; calibrate on a text file");
    }
    return *bos;
}

/// Continues all of `samples` to `length` ids, one token of each at a time.
void writeTogether(
    StudyContext& context, const LlamaModel& model, std::span<std::vector<TokenId>> samples,
    std::span<Random> randoms, std::int64_t length) {
    std::vector<std::unique_ptr<DecoderState>> states;
    for (std::size_t i = 0; i < samples.size(); ++i) {
        states.push_back(model.begin(context.exec, length - 1));
    }
    const std::int64_t vocabulary = model.vocabularySize();
    const auto rows = static_cast<std::int64_t>(samples.size());
    std::vector<float> logits(samples.size() * static_cast<std::size_t>(vocabulary));
    for (std::int64_t made = 1; made < length; ++made) {
        context.run.checkpoint();
        std::vector<DecodeSlot> slots;
        for (std::size_t i = 0; i < samples.size(); ++i) {
            slots.push_back({*states[i], std::span<const TokenId>(samples[i]).last(1)});
        }
        copy(
            context.exec, model.forward(context.exec, slots),
            viewOf(std::span(logits), {rows, vocabulary}));
        for (std::size_t i = 0; i < samples.size(); ++i) {
            const auto width = static_cast<std::size_t>(vocabulary);
            const auto row = std::span<const float>(logits).subspan(i * width, width);
            samples[i].push_back(sampleToken(row, {.greedy = false}, randoms[i]).id);
        }
    }
}

Samples writtenByModel(
    StudyContext& context, const LoadedModel& model, const CalibrationChoice& choice,
    const CalibrationProgress& onProgress) {
    Samples samples(static_cast<std::size_t>(choice.samples), {firstToken(model)});
    Random seeds(choice.seed);
    std::vector<Random> randoms;
    for (std::size_t i = 0; i < samples.size(); ++i) {
        randoms.emplace_back(seeds.next());
    }
    for (std::size_t from = 0; from < samples.size(); from += kTogether) {
        const std::size_t count = std::min(kTogether, samples.size() - from);
        onProgress(
            static_cast<double>(from) / static_cast<double>(samples.size()),
            model.name + " writes sample " + std::to_string(from + 1) + " of " +
                std::to_string(samples.size()));
        writeTogether(
            context, *model.model, std::span(samples).subspan(from, count),
            std::span(randoms).subspan(from, count), choice.length);
    }
    return samples;
}

/// What the model wrote before, if it is there and whole.
std::optional<Samples> readSamples(
    const std::filesystem::path& path, const LoadedModel& model, const CalibrationChoice& choice,
    RunControl& run) {
    if (!pathExists(path)) {
        return std::nullopt;
    }
    try {
        const Tensor ids = SafetensorsFile::open(path).tensor("ids");
        const std::span<const TokenId> all = ids.view().as<TokenId>();
        const bool known = std::ranges::all_of(
            all, [&](TokenId id) { return id >= 0 && id < model.model->vocabularySize(); });
        if (!(ids.shape() == Shape{choice.samples, choice.length}) || !known) {
            throw FormatError(path.string() + ": holds no samples of this model");
        }
        Samples samples;
        for (std::int64_t i = 0; i < choice.samples; ++i) {
            const std::span<const TokenId> row = ids.slice(i, i + 1).view().as<TokenId>();
            samples.emplace_back(row.begin(), row.end());
        }
        return samples;
    } catch (const Error& error) {
        run.log(LogLevel::Warning, std::string(error.what()) + "; it is written again");
        return std::nullopt;
    }
}

Samples ownText(
    StudyContext& context, const LoadedModel& model, const CalibrationChoice& choice,
    const CalibrationProgress& onProgress) {
    const std::string key = model.hash + "|" + std::to_string(choice.samples) + "|" +
                            std::to_string(choice.length) + "|" + std::to_string(choice.seed) +
                            "|" + std::to_string(kWritingVersion) + "|" +
                            std::string(nameOf(context.exec.target()));
    const std::filesystem::path path =
        makeCacheFolder("sensitivity") / ("samples-" + hashText(key) + ".safetensors");
    if (auto samples = readSamples(path, model, choice, context.run)) {
        return *std::move(samples);
    }
    Samples samples = writtenByModel(context, model, choice, onProgress);
    std::vector<TokenId> all;
    for (const std::vector<TokenId>& ids : samples) {
        all.insert(all.end(), ids.begin(), ids.end());
    }
    const Shape shape{choice.samples, choice.length};
    writeSafetensors(path, {{"ids", constViewOf(std::span<const TokenId>(all), shape)}});
    return samples;
}

Samples
windowsOf(StudyContext& context, const LoadedModel& model, const CalibrationChoice& choice) {
    const std::filesystem::path path = choice.text;
    const std::string content = readText(path, cleaningFromName(choice.clean), context.run);
    const std::vector<TokenId> ids = model.requireTokenizer().encode(content);
    context.run.checkpoint();
    const auto total = static_cast<std::int64_t>(ids.size());
    LATHE_CHECK(
        total >= choice.length, path.string() + " has " + std::to_string(total) +
                                    " tokens, a sample needs " + std::to_string(choice.length) +
                                    "; calibrate on a longer text or with shorter samples");
    Random random(choice.seed);
    Samples samples;
    for (int i = 0; i < choice.samples; ++i) {
        const auto from = static_cast<std::ptrdiff_t>(
            random.below(static_cast<std::uint64_t>(total - choice.length + 1)));
        samples.emplace_back(
            ids.begin() + from, ids.begin() + from + static_cast<std::ptrdiff_t>(choice.length));
    }
    return samples;
}

} // namespace

CalibrationText calibrationText(
    StudyContext& context, const LoadedModel& model, const CalibrationChoice& choice,
    const CalibrationProgress& onProgress) {
    CalibrationChoice exact = choice;
    exact.length = choice.length == 0 ? defaultWindow(model) : choice.length;
    LATHE_CHECK(
        exact.samples >= 1,
        std::to_string(exact.samples) + " samples of the calibration text: at least 1 is needed");
    LATHE_CHECK(
        exact.length >= 2 && exact.length <= model.model->maxPositions(),
        "samples of " + std::to_string(exact.length) + " tokens: possible are 2 to the " +
            std::to_string(model.model->maxPositions()) + " positions of " + model.name);
    CalibrationText text{.samples = {}, .length = exact.length, .name = "model", .hash = {}};
    if (exact.text.empty()) {
        text.samples = ownText(context, model, exact, onProgress);
        text.hash = hashOf(text.samples);
        return text;
    }
    text.samples = windowsOf(context, model, exact);
    text.name = std::filesystem::path(exact.text).filename().string();
    text.hash = contentHash(exact.text);
    return text;
}

std::string resultKey(
    const LoadedModel& model, const CalibrationText& text, Target target,
    const std::string& version) {
    Hasher hasher;
    hasher.update(
        model.hash + "|" + std::to_string(text.length) + "|" + version + "|" +
        std::string(nameOf(target)));
    for (const std::vector<TokenId>& ids : text.samples) {
        hasher.update(std::as_bytes(std::span(ids)));
    }
    return hasher.hex();
}

void requireDifferentText(
    const std::filesystem::path& calibration, const std::filesystem::path& evaluation) {
    LATHE_CHECK(
        contentHash(calibration) != contentHash(evaluation),
        calibration.string() + " has the content of " + evaluation.string() +
            ", the text that is scored; calibrate on another one");
}

void requireOtherText(const Json& params) {
    const std::filesystem::path calibration = textOf(params, "calibration");
    if (!calibration.empty()) {
        const std::filesystem::path scored = textOf(params, "text");
        requireDifferentText(calibration, scored.empty() ? defaultTextPath() : scored);
    }
}

} // namespace lathe
