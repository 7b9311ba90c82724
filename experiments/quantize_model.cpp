// SPDX-License-Identifier: Apache-2.0
#include "experiments/quantize_model.h"

#include "engine/core/check.h"
#include "engine/quant/quantizer.h"

namespace lathe {

std::string QuantizeChoice::title() const {
    std::string text = method + " " + std::to_string(bits) + " bit";
    if (group > 0) {
        text += ", groups of " + std::to_string(group);
    }
    return text;
}

std::unique_ptr<LlamaModel> quantizeModel(
    StudyContext& context, const LlamaModel& model, const QuantizeChoice& choice,
    const std::function<void(double share, const std::string& module)>& progress) {
    const Quantizer& quantizer = quantizers().at(choice.method);
    const QuantizeOptions options{.bits = choice.bits, .groupSize = choice.group};
    std::unique_ptr<LlamaModel> quantized = model.share();
    const std::vector<LlamaModel::Module> modules = quantized->modules();
    for (std::size_t i = 0; i < modules.size(); ++i) {
        const auto& [name, linear] = modules[i];
        context.run.checkpoint();
        progress(static_cast<double>(i) / static_cast<double>(modules.size()), name);
        const auto* dense = std::get_if<DenseWeight>(&linear->weight);
        LATHE_CHECK(
            dense != nullptr, name + " is quantized already (" + describe(linear->weight) +
                                  "); choose the float model it was made from");
        const Device home = dense->w.device();
        const LayerStatistics statistics{.name = name};
        if (home.isCuda()) {
            const Tensor host = dense->w.to(Device{}, context.exec);
            linear->weight = toDevice(
                quantizer.quantize(context.run, context.cpu, host.view(), statistics, options),
                home, context.exec);
        } else {
            linear->weight =
                quantizer.quantize(context.run, context.cpu, dense->w.view(), statistics, options);
        }
    }
    return quantized;
}

} // namespace lathe
