// SPDX-License-Identifier: Apache-2.0
#include "experiments/quantize_model.h"

#include "engine/core/check.h"
#include "engine/quant/outliers.h"
#include "engine/quant/quantizer.h"
#include "engine/quant/weighted_error.h"
#include "experiments/hessians.h"
#include "experiments/studies/params.h"

namespace lathe {

namespace {

/// Share of the work that sensitivities are taken to be, when they have to be computed; Hessians as
/// much.
constexpr double kSensitivityShare = 0.3;
using OnProgress = std::function<void(double share, const std::string& what)>;

std::string keyOf(const LoadedModel& model, const CalibrationChoice& choice) {
    return dumpJson(
        Json{model.hash, choice.text, choice.clean, choice.samples, choice.length, choice.seed});
}

std::shared_ptr<const Sensitivities> sensitivitiesOf(
    StudyContext& context, const LoadedModel& model, const CalibrationChoice& choice,
    const OnProgress& progress) {
    const std::string key = "sensitivities " + keyOf(model, choice);
    return context.cache.get<std::shared_ptr<const Sensitivities>>(key, [&] {
        return sensitivitiesFor(context, model, choice, [&](double share, const std::string& what) {
            progress(kSensitivityShare * share, what);
        });
    });
}

std::shared_ptr<const Hessians> hessiansOf(
    StudyContext& context, const LoadedModel& model, const CalibrationChoice& choice,
    const OnProgress& progress) {
    const std::string key = "hessians " + keyOf(model, choice);
    return context.cache.get<std::shared_ptr<const Hessians>>(key, [&] {
        return hessiansFor(context, model, choice, [&](double share, const std::string& what) {
            progress(kSensitivityShare * (1.0 + share), what);
        });
    });
}

/// Which weights leave the tables: of all the model's matrices, whatever is quantized.
const SparseChoice& sparseChoiceOf(
    StudyContext& context, const LoadedModel& model, const QuantizeChoice& choice,
    const Sensitivities& sensitivities) {
    const std::string key = "sparse " + valueText(choice.sparsity) + " " +
                            valueText(choice.sensitive) + " " + keyOf(model, choice.calibration);
    return context.cache.get<SparseChoice>(key, [&] {
        const auto modules = std::as_const(*model.model).modules();
        Tensor matrix, sensitivity; // what the views below lie in
        const auto at = [&](std::size_t i) {
            matrix = hostMatrix(modules[i].first, *modules[i].second, context.exec);
            sensitivity = sensitivities.of(modules[i].first);
            return SparseMatrix{matrix.view(), sensitivity.view()};
        };
        return chooseSparse(
            context.run, modules.size(), at,
            {.sensitive = choice.sensitive / 100.0,
             .outliers = (choice.sparsity - choice.sensitive) / 100.0});
    });
}

/// One model while its matrices are quantized, one after another.
class ModelQuantizer {
public:
    ModelQuantizer(
        StudyContext& context, const LoadedModel& model, const QuantizeChoice& choice,
        const OnProgress& progress)
        : m_context(context), m_choice(choice), m_quantizer(quantizers().at(choice.method)) {
        takeModules(model);
        if (m_quantizer.info().usesSensitivity || choice.predict) {
            m_sensitivities = sensitivitiesOf(context, model, choice.calibration, progress);
            m_result.predictedLoss = 0.0;
            m_result.sensitivities = m_sensitivities->record();
        }
        if (m_quantizer.info().usesHessian) {
            m_hessians = hessiansOf(context, model, choice.calibration, progress);
        }
        if (choice.sparsity > 0.0) {
            m_sparse = &sparseChoiceOf(context, model, choice, *m_sensitivities);
            m_result.fenceFactor = m_sparse->factor;
        }
    }

    const std::vector<NamedLinear>& modules() const { return m_modules; }
    /// Share of the work that came before the first matrix.
    double preparedShare() const {
        return m_sensitivities == nullptr ? 0.0
               : m_hessians == nullptr    ? kSensitivityShare
                                          : 2.0 * kSensitivityShare;
    }

    /// Matrix i of the model.
    void quantize(std::size_t i, const std::string& name, Linear& linear) {
        const Tensor matrix = hostMatrix(name, linear, m_context.exec);
        Tensor sensitivity, hessian; // what the views below lie in
        LayerStatistics statistics{.name = name};
        if (m_sensitivities) {
            sensitivity = m_sensitivities->of(name);
            statistics.sensitivity = sensitivity.view();
        }
        if (m_hessians) {
            hessian = m_hessians->of(name);
            statistics.hessian = hessian.view();
        }
        if (m_sparse != nullptr) {
            statistics.sparse = m_sparse->positions[i];
        }
        Weight weight = m_quantizer.quantize(
            m_context.run, m_context.exec, matrix.view(), statistics,
            {.bits = m_choice.bits, .groupSize = m_choice.group});
        if (m_sensitivities) {
            const auto predictions = static_cast<double>(m_sensitivities->record().length - 1);
            *m_result.predictedLoss +=
                0.5 * predictions *
                weightedError(m_context.cpu, matrix.view(), weight, sensitivity.view());
        }
        const auto size = static_cast<double>(matrix.view().elementCount());
        m_weights += size;
        m_kept += sparseShare(weight) * size;
        const Device home = m_context.exec.device();
        linear.weight = home.isCuda() ? toDevice(weight, home, m_context.exec) : std::move(weight);
    }

    QuantizedModel finish() {
        m_result.sparseShare = m_weights > 0.0 ? m_kept / m_weights : 0.0;
        if (m_result.translator) {
            m_result.translator->fuseProducts(m_context.exec);
        } else if (m_context.exec.device().isCuda()) {
            m_result.model->fuseProducts(m_context.exec);
        }
        return std::move(m_result);
    }

private:
    void takeModules(const LoadedModel& model) {
        if (model.model) {
            m_result.model = model.model->share();
            m_modules = m_result.model->modules();
            return;
        }
        if (m_quantizer.info().usesSensitivity || m_choice.predict) {
            throw Unsupported(
                "sensitivities are worked out for models that continue text alone, and " +
                model.name + " is an encoder-decoder; choose rtn, rtn-sym or kmeans, not " +
                m_choice.method);
        }
        m_result.translator = model.translator->share();
        m_modules = m_result.translator->modules();
        if (!m_choice.encoder) {
            std::erase_if(m_modules, [](const NamedLinear& module) {
                return module.name.starts_with("encoder.");
            });
        }
    }

    StudyContext& m_context;
    const QuantizeChoice& m_choice;
    const Quantizer& m_quantizer;
    std::shared_ptr<const Sensitivities> m_sensitivities;
    std::shared_ptr<const Hessians> m_hessians;
    const SparseChoice* m_sparse = nullptr;
    QuantizedModel m_result;
    std::vector<NamedLinear> m_modules; ///< of the result
    double m_weights = 0.0, m_kept = 0.0;
};

} // namespace

Tensor hostMatrix(const std::string& name, const Linear& linear, ExecContext& exec) {
    const auto* dense = std::get_if<DenseWeight>(&linear.weight);
    LATHE_CHECK(
        dense != nullptr, name + " is quantized already (" + describe(linear.weight) +
                              "); choose the float model it was made from");
    return dense->w.device().isCuda() ? dense->w.to(Device{}, exec) : dense->w.share();
}

std::string QuantizeChoice::title() const {
    std::string text = method + " " + std::to_string(bits) + " bit";
    if (group > 0) {
        text += ", groups of " + std::to_string(group);
    }
    if (sparsity > 0.0) {
        text += " + " + valueText(sparsity) + " %";
    }
    return tensors == "all" ? text : text + ", " + tensors;
}

CalibrationChoice calibrationFrom(const Spec& spec) {
    const Json& params = spec.params;
    return {
        .text = textOf(params, "calibration"),
        .clean = textOf(params, "calibration_clean"),
        .samples = params.at("calibration_samples").get<int>(),
        .length = params.at("calibration_length").get<std::int64_t>(),
        .seed = spec.seed};
}

QuantizeChoice quantizeChoiceFrom(const Spec& spec) {
    const Json& params = spec.params;
    QuantizeChoice choice{
        .method = textOf(params, "method"),
        .bits = params.at("bits").get<int>(),
        .group = groupSize(params.at("group")),
        .calibration = calibrationFrom(spec)};
    if (quantizers().at(choice.method).info().usesSparse) {
        choice.sparsity = params.at("sparsity").get<double>();
        choice.sensitive = choice.sparsity > 0.0 ? params.at("sensitive").get<double>() : 0.0;
        LATHE_CHECK(
            choice.sensitive <= choice.sparsity,
            "--sparsity " + valueText(choice.sparsity) + " is less than the --sensitive " +
                valueText(choice.sensitive) + " that is part of it");
    }
    return choice;
}

QuantizedModel quantizeModel(
    StudyContext& context, const LoadedModel& model, const QuantizeChoice& choice,
    const OnProgress& progress) {
    ModelQuantizer quantizer(context, model, choice, progress);
    const std::vector<NamedLinear>& modules = quantizer.modules();
    const double before = quantizer.preparedShare();
    bool found = false;
    for (std::size_t i = 0; i < modules.size(); ++i) {
        const auto& [name, linear] = modules[i];
        if (choice.tensors != "all" && choice.tensors != name) {
            continue;
        }
        found = true;
        context.run.checkpoint();
        const double done = static_cast<double>(i) / static_cast<double>(modules.size());
        progress(before + (1.0 - before) * done, "quantizing " + name);
        quantizer.quantize(i, name, *linear);
    }
    LATHE_CHECK(found, "--tensors: " + choice.tensors + " is no matrix of " + model.name);
    return quantizer.finish();
}

} // namespace lathe
