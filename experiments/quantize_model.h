// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "experiments/sensitivities.h"

#include <functional>
#include <memory>
#include <optional>
#include <string>

namespace lathe {

/// Which quantizer with which options.
struct QuantizeChoice {
    std::string method;
    int bits = 4;
    std::int64_t group = 0;      ///< weights that share a scale; 0: the whole row
    double sparsity = 0.0;       ///< percent of the weights, all that is kept beside tables
    double sensitive = 0.0;      ///< percent of them, chosen by sensitivity; the rest: outliers
    std::string tensors = "all"; ///< or the one matrix that is quantized
    bool encoder = true;         ///< of an encoder-decoder: the matrices of its encoder, too
    bool predict = false;        ///< work out `predictedLoss` although the method could do without
    CalibrationChoice calibration{}; ///< for methods that use sensitivities

    /// "kmeans 3 bit", "rtn 4 bit, groups of 64", "squeezellm-sparse 3 bit + 0.45 %".
    std::string title() const;
};

/// The parameters of `quantizerParams` that are about sensitivities.
CalibrationChoice calibrationFrom(const Spec& spec);

/// The choice that the parameters of `quantizerParams` name. What the method does not use is 0.
/// @throws InputError when more weights are to be sensitive than leave the tables.
QuantizeChoice quantizeChoiceFrom(const Spec& spec);

struct QuantizedModel {
    std::unique_ptr<LlamaModel> model;     ///< null: an encoder-decoder
    std::unique_ptr<T5Model> translator{}; ///< null: a model that continues text
    double sparseShare = 0.0;              ///< of the quantized matrices' weights
    /// What sensitivities make of the error of all weights, in nats per token: half the sum of
    /// T * F * (w - quantized)^2, T being the predictions of a sample.
    std::optional<double> predictedLoss{};
    /// The outliers' fence in units of the quartiles' distance (SqueezeLLM's R).
    std::optional<double> fenceFactor{};
    /// Where the sensitivities came from, when they were used.
    std::optional<SensitivityRecord> sensitivities{};
};

/// A model that shares everything with `model` but its block matrices, which are quantized where
/// the model is, see Quantizer. Sensitivities and sparse positions are worked out once
/// per run and setting.
/// @param progress called with the share that is done and what is worked on.
/// @throws InputError when the model is quantized already; Unsupported for an encoder-decoder and a
///         method that needs sensitivities, which are those of models that continue text;
///         Cancelled.
QuantizedModel quantizeModel(
    StudyContext& context, const LoadedModel& model, const QuantizeChoice& choice,
    const std::function<void(double share, const std::string& what)>& progress);

/// A block matrix of a float model on the host; on a CPU its own storage.
/// @throws InputError when it is quantized already.
Tensor hostMatrix(const std::string& name, const Linear& linear, ExecContext& exec);

} // namespace lathe
