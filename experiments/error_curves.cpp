// SPDX-License-Identifier: Apache-2.0
#include "experiments/error_curves.h"

#include "engine/core/cache_folder.h"
#include "engine/core/check.h"
#include "engine/core/hash.h"
#include "engine/io/mapped_file.h"
#include "experiments/quantize_model.h"

#include <cmath>
#include <cstdio>
#include <fstream>
#include <optional>
#include <unistd.h>

namespace lathe {

namespace {

constexpr std::size_t kMostFile = std::size_t{1} << 20;

/// Equal for equal curves.
std::string keyOf(const LoadedModel& model, const SensitivityRecord& record) {
    return hashText(dumpJson(
        {model.hash, record.textHash, record.samples, record.length, record.seed,
         kSensitivityVersion, kErrorCurveVersion}));
}

Json toJson(const ModuleCurve& curve) {
    Json points = Json::array();
    for (const CurvePoint& point : curve.points) {
        points.push_back({point.bits, point.sparsity, point.sparseCount, point.bytes, point.error});
    }
    return {{"module", curve.name}, {"out", curve.out}, {"in", curve.in}, {"points", points}};
}

std::vector<CurvePoint> pointsOf(const Json& points) {
    std::vector<CurvePoint> result;
    for (const Json& point : points) {
        result.push_back(
            {point.at(0).get<int>(), point.at(1).get<double>(), point.at(2).get<std::int64_t>(),
             point.at(3).get<std::int64_t>(), point.at(4).get<double>()});
    }
    return result;
}

/// The files of one computation, one per matrix: {"curve": {...}, "hash": of the curve's text}.
class CurveCache {
public:
    CurveCache(RunControl& run, std::filesystem::path folder)
        : m_run(run), m_folder(std::move(folder)) {}

    /// Fills in the points when they are there and sound.
    bool read(std::size_t index, ModuleCurve& curve) const {
        const std::filesystem::path path = pathOf(index);
        if (!pathExists(path)) {
            return false;
        }
        try {
            const Json file = parseJson(readTextFile(path, kMostFile), path.string());
            if (file.at("hash") != hashText(dumpJson(file.at("curve")))) {
                throw FormatError(path.string() + ": is not what was written");
            }
            ModuleCurve found{curve.name, curve.out, curve.in, pointsOf(file["curve"]["points"])};
            if (toJson(found) != file["curve"] || found.points.empty()) {
                throw FormatError(path.string() + ": is not the curve of " + curve.name);
            }
            curve = std::move(found);
            return true;
        } catch (const Error& error) {
            warn(error.what());
        } catch (const Json::exception& error) {
            warn(path.string() + ": " + error.what());
        }
        return false;
    }

    /// Beside its place, then renamed: other processes see whole files alone.
    void write(std::size_t index, const ModuleCurve& curve) const {
        const std::filesystem::path path = pathOf(index);
        std::filesystem::path pending = path;
        pending += ".part-" + std::to_string(::getpid());
        const Json json = toJson(curve);
        std::ofstream file(pending, std::ios::binary);
        file << dumpJson({{"curve", json}, {"hash", hashText(dumpJson(json))}});
        file.close();
        std::error_code error;
        if (file.good()) {
            std::filesystem::rename(pending, path, error);
        }
        if (!file.good() || error) {
            std::error_code ignored;
            std::filesystem::remove(pending, ignored);
            throw InputError(path.string() + ": cannot be written");
        }
    }

private:
    std::filesystem::path pathOf(std::size_t index) const {
        char name[40];
        std::snprintf(name, sizeof name, "curve-%05zu.json", index);
        return m_folder / name;
    }
    void warn(const std::string& what) const {
        m_run.log(LogLevel::Warning, "a damaged cache file is computed again: " + what);
    }

    RunControl& m_run;
    std::filesystem::path m_folder;
};

} // namespace

FoundCurves findCurves(
    StudyContext& context, const LoadedModel& model, const Sensitivities& sensitivities,
    const CalibrationProgress& onProgress) {
    const CurveCache cache(
        context.run,
        makeCacheFolder(std::filesystem::path("curves") / keyOf(model, sensitivities.record())));
    const auto modules = std::as_const(*model.model).modules();
    FoundCurves found;
    double all = 0.0, done = 0.0; // weights, whose number is about the time
    for (const auto& [name, linear] : modules) {
        found.modules.push_back(
            {name, outFeatures(linear->weight), inFeatures(linear->weight), {}});
        all += static_cast<double>(found.modules.back().weights());
    }
    for (std::size_t i = 0; i < modules.size(); ++i) {
        context.run.checkpoint();
        ModuleCurve& curve = found.modules[i];
        const auto weights = static_cast<double>(curve.weights());
        if (!cache.read(i, curve)) {
            const Tensor w = hostMatrix(curve.name, *modules[i].second, context.exec);
            const Tensor sensitivity = sensitivities.of(curve.name);
            curve.points = errorCurve(
                context.run, context.cpu, w.view(), {curve.name, sensitivity.view()},
                [&](double share) {
                    onProgress((done + share * weights) / all, "error curve of " + curve.name);
                });
            cache.write(i, curve);
            ++found.computed;
        }
        done += weights;
    }
    return found;
}

} // namespace lathe
