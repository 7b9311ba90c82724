// SPDX-License-Identifier: Apache-2.0
#include "experiments/hessians.h"

#include "engine/core/cache_folder.h"
#include "engine/core/check.h"
#include "engine/models/gradient_memory.h"
#include "engine/models/gradient_statistics.h"
#include "experiments/cache_files.h"

#include <algorithm>
#include <filesystem>
#include <optional>

namespace lathe {

namespace {

/// Share of the whole that the calibration text takes at most.
constexpr double kTextShare = 0.2;
/// Changes when the meaning of the stored values does.
constexpr int kHessianVersion = 1;
constexpr const char* kRecordKey = "lathe.hessian";
constexpr const char* kSuffix = ".hessian";

/// The files of one computation.
class HessianCache {
public:
    HessianCache(
        RunControl& run, const LoadedModel& model, std::filesystem::path folder, const Json& record)
        : m_run(run), m_modules(std::as_const(*model.model).modules()),
          m_perBlock(m_modules.size() / static_cast<std::size_t>(model.model->config().layers)),
          m_folder(std::move(folder)), m_record(dumpJson(record)) {}

    /// A block that is there and sound.
    std::optional<SafetensorsFile> read(int index) const {
        const std::filesystem::path path = blockFile(m_folder, index);
        return readSound(m_run, path, [&] {
            SafetensorsFile file = SafetensorsFile::open(path);
            requireBlock(file, index);
            return file;
        });
    }

    void write(const BlockStatistics& done) const {
        std::vector<NamedTensor> tensors;
        tensors.reserve(done.modules.size());
        for (const auto& [name, tensor] : done.modules) {
            tensors.push_back({name + kSuffix, tensor.view()});
        }
        writeSafetensors(
            blockFile(m_folder, done.block), tensors, {{"format", "pt"}, {kRecordKey, m_record}});
    }

    /// @throws InputError with both numbers.
    void requireRoom(std::int64_t bytes) const {
        std::error_code unknown;
        const std::filesystem::space_info space = std::filesystem::space(m_folder, unknown);
        LATHE_CHECK(
            unknown || static_cast<std::int64_t>(space.available) >= bytes,
            "the Hessians of " + std::to_string(m_modules.size()) + " matrices take " +
                std::to_string(bytes >> 20) + " MiB in " + m_folder.string() + "; free are " +
                std::to_string(space.available >> 20) +
                " MiB. Make room, point XDG_CACHE_HOME elsewhere, or take another method");
    }

private:
    void requireBlock(const SafetensorsFile& file, int index) const {
        const auto record = file.metadata().find(kRecordKey);
        if (record == file.metadata().end() || record->second != m_record) {
            throw FormatError(file.path().string() + ": was made for something else");
        }
        for (std::size_t m = 0; m < m_perBlock; ++m) {
            const auto& [name, linear] =
                m_modules[static_cast<std::size_t>(index) * m_perBlock + m];
            const std::int64_t in = inFeatures(linear->weight);
            const Shape wanted{
                hessianGroupsOf(outFeatures(linear->weight), kHessianGroups), in, in};
            const auto found = file.entries().find(name + kSuffix);
            if (found == file.entries().end() || found->second.dtype != DType::F32 ||
                !(found->second.shape == wanted)) {
                throw FormatError(
                    file.path().string() + ": " + name + " is absent or not F32 " + wanted.text());
            }
        }
    }

    RunControl& m_run;
    std::vector<std::pair<std::string, const Linear*>> m_modules;
    std::size_t m_perBlock;
    std::filesystem::path m_folder;
    std::string m_record;
};

Json recordOf(
    const LoadedModel& model, const CalibrationChoice& choice, const CalibrationText& text) {
    return {{"version", kHessianVersion}, {"model_hash", model.hash},  {"text", text.name},
            {"text_hash", text.hash},     {"samples", choice.samples}, {"length", text.length},
            {"seed", choice.seed}};
}

} // namespace

Tensor Hessians::of(const std::string& module) const {
    const std::string name = module + kSuffix;
    for (const SafetensorsFile& file : m_blocks) {
        if (file.entries().contains(name)) {
            return file.tensor(name);
        }
    }
    throw FormatError("there are no Hessians of " + module);
}

std::shared_ptr<const Hessians> hessiansFor(
    StudyContext& context, const LoadedModel& model, const CalibrationChoice& choice,
    const CalibrationProgress& onProgress) {
    requireFloatWeights(*model.checkpoint, model.name);
    const CalibrationText text =
        calibrationText(context, model, choice, [&](double share, const std::string& what) {
            onProgress(kTextShare * share, what);
        });
    const std::string version =
        "hessian " + std::to_string(kHessianVersion) + " " + std::to_string(kHessianGroups);
    const HessianCache cache(
        context.run, model,
        makeCacheFolder(
            std::filesystem::path("hessian") /
            resultKey(model, text, context.exec.target(), version)),
        recordOf(model, choice, text));
    const LlamaConfig& config = model.model->config();
    std::vector<bool> missing;
    missing.reserve(static_cast<std::size_t>(config.layers));
    for (int block = 0; block < config.layers; ++block) {
        missing.push_back(!cache.read(block));
    }
    if (const auto count = std::ranges::count(missing, true); count > 0) {
        cache.requireRoom(
            count * blockHessianElements(config, kHessianGroups) *
            static_cast<std::int64_t>(sizeof(float)));
        const GradientRequest request{
            .samples = text.samples,
            .wanted = [&](int block) { return missing[static_cast<std::size_t>(block)]; },
            .onProgress =
                [&](double share, const std::string& what) {
                    onProgress(kTextShare + (1.0 - kTextShare) * share, "Hessians, " + what);
                },
            .hessianGroups = kHessianGroups};
        computeHessians(
            context.run, context.exec, *model.model, request,
            [&](const BlockStatistics& done) { cache.write(done); });
    }
    std::vector<SafetensorsFile> blocks;
    for (int block = 0; block < config.layers; ++block) {
        std::optional<SafetensorsFile> file = cache.read(block);
        LATHE_CHECK(
            file.has_value(), "the Hessians of block " + std::to_string(block) +
                                  " were taken away while they were read; run it again");
        blocks.push_back(*std::move(file));
    }
    return std::make_shared<const Hessians>(std::move(blocks));
}

} // namespace lathe
