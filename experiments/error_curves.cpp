// SPDX-License-Identifier: Apache-2.0
#include "experiments/error_curves.h"

#include "engine/core/cache_folder.h"
#include "engine/core/error.h"
#include "engine/core/hash.h"
#include "engine/quant/quantizer.h"
#include "experiments/matrix_cache.h"
#include "experiments/quantize_model.h"

namespace lathe {

namespace {

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

/// Fills in the points. @throws FormatError when they are none of this matrix.
void take(const Json& json, const std::filesystem::path& path, ModuleCurve& curve) {
    ModuleCurve found{curve.name, curve.out, curve.in, pointsOf(json.at("points"))};
    if (toJson(found) != json || found.points.empty()) {
        throw FormatError(path.string() + ": is not the curve of " + curve.name);
    }
    curve = std::move(found);
}

} // namespace

std::string curveKey(const LoadedModel& model, const SensitivityRecord& record) {
    return hashText(dumpJson(
        {model.hash, record.textHash, record.samples, record.length, record.seed,
         kSensitivityVersion, kErrorCurveVersion}));
}

FoundCurves findCurves(
    StudyContext& context, const LoadedModel& model, const Sensitivities& sensitivities,
    const CalibrationProgress& onProgress) {
    const MatrixCache cache(
        context.run,
        makeCacheFolder(std::filesystem::path("curves") / curveKey(model, sensitivities.record())),
        "curve");
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
        if (!cache.read(i, [&](const Json& json) { take(json, cache.pathOf(i), curve); })) {
            const Tensor w = hostMatrix(curve.name, *modules[i].second, context.exec);
            const Tensor sensitivity = sensitivities.of(curve.name);
            curve.points = errorCurve(
                context.run, context.cpu, w.view(), {curve.name, sensitivity.view()},
                [&](double share) {
                    onProgress((done + share * weights) / all, "error curve of " + curve.name);
                });
            cache.write(i, toJson(curve));
            ++found.computed;
        }
        done += weights;
    }
    return found;
}

Weight quantizedAs(
    StudyContext& context, const std::string& name, const Linear& linear,
    const Sensitivities& sensitivities, const CurvePoint& point) {
    const Tensor w = hostMatrix(name, linear, context.exec);
    const Tensor sensitivity = sensitivities.of(name);
    LayerStatistics statistics{.name = name, .sensitivity = sensitivity.view()};
    const std::vector<std::int64_t> sparse = sparseBySaving(
        context.run, context.cpu, w.view(), statistics, point.bits, point.sparseCount);
    statistics.sparse = sparse;
    const Quantizer& quantizer =
        quantizers().at(sparse.empty() ? "squeezellm" : "squeezellm-sparse");
    Weight weight =
        quantizer.quantize(context.run, context.exec, w.view(), statistics, {.bits = point.bits});
    const Device home = context.exec.device();
    return home.isCuda() ? toDevice(weight, home, context.exec) : std::move(weight);
}

} // namespace lathe
