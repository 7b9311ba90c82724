// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "engine/models/llama.h"
#include "experiments/study.h"

#include <functional>
#include <memory>
#include <string>

namespace lathe {

/// Which quantizer with which options; `group` 0 means the whole row.
struct QuantizeChoice {
    std::string method;
    int bits = 4;
    std::int64_t group = 0;

    /// "kmeans 3 bit", "rtn 4 bit, groups of 64".
    std::string title() const;
};

/// A model that shares everything with `model` but its block matrices, which are quantized on the
/// host and sent back to the model's device.
/// @param progress called with the share of matrices that are done and the name of the next one.
/// @throws InputError when the model is quantized already; Cancelled.
std::unique_ptr<LlamaModel> quantizeModel(
    StudyContext& context, const LlamaModel& model, const QuantizeChoice& choice,
    const std::function<void(double share, const std::string& module)>& progress);

} // namespace lathe
