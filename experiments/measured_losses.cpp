// SPDX-License-Identifier: Apache-2.0
#include "experiments/measured_losses.h"

#include "engine/core/cache_folder.h"
#include "engine/core/hash.h"
#include "experiments/elapsed.h"
#include "experiments/kl_scoring.h"
#include "experiments/matrix_cache.h"

#include <algorithm>
#include <cmath>

namespace lathe {

namespace {

constexpr double kTextShare = 0.05; ///< of the whole, when the model has to write the text

std::string keyOf(const StudyContext& context, const LoadedModel& model, const Sensitivities& of) {
    return hashText(dumpJson(
        {curveKey(model, of.record()), kMeasuredLossVersion, kLossWindows,
         nameOf(context.exec.target())}));
}

/// The first samples, one window each.
ScoringText scoredPart(const CalibrationText& calibration) {
    ScoringText text;
    text.name = calibration.name;
    text.longestInput = calibration.length;
    const std::size_t count = std::min(kLossWindows, calibration.samples.size());
    for (std::size_t i = 0; i < count; ++i) {
        const std::vector<TokenId>& ids = calibration.samples[i];
        text.windows.push_back(
            {static_cast<std::int64_t>(text.stream.size()), calibration.length,
             calibration.length - 1});
        text.stream.insert(text.stream.end(), ids.begin(), ids.end());
    }
    return text;
}

/// Dense points at which a matrix is measured.
std::vector<CurvePoint> measuredPoints(const ModuleCurve& curve) {
    std::vector<CurvePoint> points;
    for (const CurvePoint& point : curve.points) {
        if (point.sparseCount == 0 && std::ranges::count(kLossBits, point.bits) > 0) {
            points.push_back(point);
        }
    }
    return points;
}

Json toJson(const ModuleCurve& curve, const std::vector<MeasuredLoss>& losses) {
    Json points = Json::array();
    for (const MeasuredLoss& loss : losses) {
        points.push_back({loss.bits, loss.predicted, loss.measured});
    }
    return {{"module", curve.name}, {"points", points}};
}

/// @throws FormatError when they are no losses of this matrix.
std::vector<MeasuredLoss>
lossesOf(const Json& json, const std::filesystem::path& path, const ModuleCurve& curve) {
    std::vector<MeasuredLoss> losses;
    for (const Json& point : json.at("points")) {
        losses.push_back(
            {point.at(0).get<int>(), point.at(1).get<double>(), point.at(2).get<double>()});
    }
    if (toJson(curve, losses) != json || losses.size() != measuredPoints(curve).size()) {
        throw FormatError(path.string() + ": holds no losses of " + curve.name);
    }
    return losses;
}

/// One model whose matrices are quantized in turn.
class LossMeasurer {
public:
    LossMeasurer(
        StudyContext& context, std::shared_ptr<const LoadedModel> model,
        const Sensitivities& sensitivities, ScoringText text)
        : m_context(context), m_sensitivities(sensitivities),
          m_scale(0.5 * static_cast<double>(sensitivities.record().length - 1)),
          m_reference(std::move(model), std::move(text), context.exec) {}

    std::size_t windows() const { return m_reference.text.windows.size(); }
    /// Of a float model's forward pass, measured on all windows.
    double passSeconds() {
        for (std::size_t w = 0; w < windows(); ++w) {
            m_context.run.checkpoint();
            m_reference.rows(w);
        }
        return m_reference.seconds() / static_cast<double>(windows());
    }

    /// @param onPass is told the bits and the window that come next
    std::vector<MeasuredLoss> measure(
        std::size_t index, const ModuleCurve& curve,
        const std::function<void(int bits, std::size_t window)>& onPass) {
        std::vector<MeasuredLoss> losses;
        for (const CurvePoint& point : measuredPoints(curve)) {
            const auto model = m_reference.model->model->share();
            Linear& linear = *model->modules()[index].linear;
            linear.weight = quantizedAs(m_context, curve.name, linear, m_sensitivities, point);
            WindowScorer scorer(m_context.exec, *model, m_reference.text);
            double kl = 0.0, tokens = 0.0;
            for (std::size_t w = 0; w < windows(); ++w) {
                m_context.run.checkpoint();
                onPass(point.bits, w);
                const ConstView wanted = m_reference.rows(w);
                kl += distance(m_context.exec, wanted, scorer.logits(w)).kl;
                tokens += static_cast<double>(m_reference.text.windows[w].fresh);
            }
            losses.push_back({point.bits, m_scale * point.error, kl / tokens});
        }
        return losses;
    }

private:
    StudyContext& m_context;
    const Sensitivities& m_sensitivities;
    double m_scale;
    SweepReference m_reference;
};

} // namespace

double correctedLoss(double predicted, std::span<const MeasuredLoss> measured) {
    if (!(predicted > 0.0)) {
        return predicted;
    }
    const double at = std::log(predicted);
    double before = 0.0, factor = 0.0; // logarithms of a larger prediction and its correction
    bool any = false;
    for (const MeasuredLoss& loss : measured) {
        if (!(loss.predicted > 0.0 && loss.measured > 0.0)) {
            continue;
        }
        const double here = std::log(loss.predicted);
        const double own = std::log(loss.measured) - here;
        if (at >= here) {
            const double share = any && before > here ? (at - here) / (before - here) : 0.0;
            factor = any ? own + share * (factor - own) : own;
            return predicted * std::exp(factor);
        }
        before = here;
        factor = own;
        any = true;
    }
    return any ? predicted * std::exp(factor) : predicted;
}

FoundLosses findLosses(
    StudyContext& context, const std::shared_ptr<const LoadedModel>& model,
    const Sensitivities& sensitivities, const CalibrationChoice& calibration,
    const std::vector<ModuleCurve>& curves, const CalibrationProgress& onProgress) {
    const MatrixCache cache(
        context.run,
        makeCacheFolder(std::filesystem::path("losses") / keyOf(context, *model, sensitivities)),
        "loss");
    FoundLosses found{.modules = std::vector<std::vector<MeasuredLoss>>(curves.size())};
    std::vector<std::size_t> missing;
    std::size_t settings = 0;
    for (std::size_t i = 0; i < curves.size(); ++i) {
        const auto take = [&](const Json& json) {
            found.modules[i] = lossesOf(json, cache.pathOf(i), curves[i]);
        };
        if (!cache.read(i, take)) {
            missing.push_back(i);
            settings += measuredPoints(curves[i]).size();
        }
    }
    if (missing.empty()) {
        return found;
    }
    const CalibrationText text =
        calibrationText(context, *model, calibration, [&](double share, const std::string& what) {
            onProgress(kTextShare * share, what);
        });
    LossMeasurer measurer(context, model, sensitivities, scoredPart(text));
    onProgress(kTextShare, "float model on the calibration text");
    const double seconds = measurer.passSeconds();
    const std::size_t passes = settings * measurer.windows();
    char about[80];
    std::snprintf(
        about, sizeof about, "%zu forward passes of %.2g s, about %.0f s", passes, seconds,
        std::ceil(seconds * static_cast<double>(passes)));
    context.run.log(
        LogLevel::Info, "measures " + std::to_string(missing.size()) + " matrices: " + about);
    std::size_t done = 0;
    for (const std::size_t i : missing) {
        const auto onPass = [&](int bits, std::size_t window) {
            onProgress(
                kTextShare +
                    (1.0 - kTextShare) * static_cast<double>(done++) / static_cast<double>(passes),
                curves[i].name + " at " + std::to_string(bits) + " bit, window " +
                    std::to_string(window + 1) + " of " + std::to_string(measurer.windows()));
        };
        found.modules[i] = measurer.measure(i, curves[i], onPass);
        cache.write(i, toJson(curves[i], found.modules[i]));
        ++found.computed;
    }
    return found;
}

} // namespace lathe
