// SPDX-License-Identifier: Apache-2.0
#include "experiments/sensitivities.h"

#include "engine/core/cache_folder.h"
#include "engine/models/gradient_statistics.h"
#include "experiments/cache_files.h"
#include "experiments/runner.h"

namespace lathe {

namespace {

/// Share of the whole that writing the calibration text takes at most.
constexpr double kTextShare = 0.2;

/// The files of one computation.
class SensitivityCache {
public:
    SensitivityCache(RunControl& run, const LoadedModel& model, std::filesystem::path folder)
        : m_run(run), m_model(model), m_folder(std::move(folder)) {}

    std::filesystem::path whole() const { return m_folder / "sensitivities.safetensors"; }
    /// Everything, when it is there and sound.
    std::shared_ptr<const Sensitivities> readWhole() const {
        return readSound(whole(), [&](const Sensitivities& found) {
            found.requireFor(*m_model.model, m_model.hash);
            requireValues(found, m_model.model->modules());
        });
    }
    bool hasBlock(int index) const {
        return readSound(blockFile(m_folder, index), [&](const Sensitivities& found) {
                   requireValues(found, modulesOf(index));
               }) != nullptr;
    }
    void writeBlock(const BlockStatistics& done, SensitivityRecord record) const {
        record.loss = done.loss;
        writeSensitivities(blockFile(m_folder, done.block), record, done.modules);
    }
    /// Puts the blocks together.
    void writeWhole() const {
        std::vector<std::pair<std::string, Tensor>> all;
        SensitivityRecord record;
        const int layers = m_model.model->config().layers;
        for (int index = 0; index < layers; ++index) {
            const Sensitivities part = Sensitivities::open(blockFile(m_folder, index));
            record = part.record();
            for (const auto& [name, linear] : modulesOf(index)) {
                all.emplace_back(name, part.of(name));
            }
        }
        writeSensitivities(whole(), record, all);
        removeBlocks();
    }
    void removeBlocks() const {
        std::error_code ignored; // a file left behind costs room alone
        for (int index = 0; index < m_model.model->config().layers; ++index) {
            std::filesystem::remove(blockFile(m_folder, index), ignored);
        }
    }

private:
    using Modules = std::vector<std::pair<std::string, const Linear*>>;

    Modules modulesOf(int index) const {
        const Modules all = std::as_const(*m_model.model).modules();
        const auto per = static_cast<std::ptrdiff_t>(all.size()) / m_model.model->config().layers;
        return {all.begin() + index * per, all.begin() + (index + 1) * per};
    }

    static void requireValues(const Sensitivities& found, const Modules& modules) {
        for (const auto& [name, linear] : modules) {
            const Shape wanted{outFeatures(linear->weight), inFeatures(linear->weight)};
            if (!(found.of(name).shape() == wanted)) {
                throw FormatError(found.path().string() + ": " + name + " has another shape");
            }
        }
    }

    /// A file that passes `check`; null when it is absent or damaged.
    template <class Check>
    std::shared_ptr<const Sensitivities>
    readSound(const std::filesystem::path& path, const Check& check) const {
        return lathe::readSound(
                   m_run, path,
                   [&] {
                       auto found =
                           std::make_shared<const Sensitivities>(Sensitivities::open(path));
                       check(*found);
                       return found;
                   })
            .value_or(nullptr);
    }

    RunControl& m_run;
    const LoadedModel& m_model;
    std::filesystem::path m_folder;
};

} // namespace

FoundSensitivities findSensitivities(
    StudyContext& context, const LoadedModel& model, const CalibrationChoice& choice,
    const CalibrationProgress& onProgress) {
    const auto report = [&](double share, const std::string& what) {
        if (onProgress) {
            onProgress(share, what);
        } else {
            context.run.progress(share, what);
        }
    };
    requireFloatWeights(*model.checkpoint, model.name);
    const CalibrationText text =
        calibrationText(context, model, choice, [&](double share, const std::string& what) {
            report(kTextShare * share, what);
        });
    const SensitivityCache cache(
        context.run, model,
        makeCacheFolder(
            std::filesystem::path("sensitivity") /
            resultKey(model, text, context.exec.target(), std::to_string(kSensitivityVersion))));
    if (auto known = cache.readWhole()) {
        cache.removeBlocks(); // of a process that ended before it could
        return {.values = std::move(known)};
    }
    std::vector<bool> missing;
    int count = 0;
    for (int block = 0; block < model.model->config().layers; ++block) {
        missing.push_back(!cache.hasBlock(block));
        count += missing.back() ? 1 : 0;
    }
    if (count > 0) {
        const SensitivityRecord record{
            .modelHash = model.hash,
            .text = text.name,
            .textHash = text.hash,
            .samples = choice.samples,
            .length = text.length,
            .seed = choice.seed,
            .device = context.exec.device().name(),
            .build = buildId()};
        const GradientRequest request{
            .samples = text.samples,
            .wanted = [&](int block) { return missing[static_cast<std::size_t>(block)]; },
            .onProgress =
                [&](double share, const std::string& what) {
                    report(kTextShare + (1.0 - kTextShare) * share, what);
                }};
        computeSensitivities(
            context.run, context.exec, *model.model, request,
            [&](const BlockStatistics& done) { cache.writeBlock(done, record); });
    }
    try {
        cache.writeWhole();
    } catch (const Error&) { // another process was faster, and took the blocks away
        auto known = cache.readWhole();
        if (known == nullptr) {
            throw;
        }
        return {.values = std::move(known), .computedBlocks = count};
    }
    return {
        .values = std::make_shared<const Sensitivities>(Sensitivities::open(cache.whole())),
        .computedBlocks = count};
}

std::shared_ptr<const Sensitivities> sensitivitiesFor(
    StudyContext& context, const LoadedModel& model, const CalibrationChoice& choice,
    const CalibrationProgress& onProgress) {
    return findSensitivities(context, model, choice, onProgress).values;
}

Json originOf(const SensitivityRecord& record) {
    return {
        {"text", record.text},
        {"text_hash", record.textHash},
        {"samples", record.samples},
        {"length", record.length},
        {"seed", record.seed}};
}

} // namespace lathe
