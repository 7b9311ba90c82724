// SPDX-License-Identifier: GPL-3.0-or-later
#include "widgets/decode/drafter_text.h"

#include "widgets/base/followed_run.h"
#include "widgets/base/model_name.h"

#include <QCoreApplication>

#include <string_view>

namespace lathe {

namespace {

QString tr(const char* text) { return QCoreApplication::translate("DrafterText", text); }

/// 0: not given
int wholeOf(const Json& params, const char* name) {
    const auto found = params.find(name);
    return found != params.end() && found->is_number_integer() ? found->get<int>() : 0;
}

QString modelText(const Json& params, const char* param) {
    return shortModelName(QString::fromStdString(textOf(params, param)));
}

QString drafterText(const Json& params, const std::string& strategy) {
    if (drafterParams(strategy).empty()) {
        return {};
    }
    if (strategy == "early-exit") {
        const int layers = wholeOf(params, "exit_layer");
        return layers == 0   ? tr("half of its layers")
               : layers == 1 ? tr("its first layer")
                             : tr("its first %1 layers").arg(layers);
    }
    if (strategy == "self") {
        const QString method = QString::fromStdString(textOf(params, "self_method"));
        const int bits = wholeOf(params, "self_bits");
        return method.isEmpty() || bits == 0 ? tr("itself, quantized")
                                             : tr("itself in %1 bits (%2)").arg(bits).arg(method);
    }
    return modelText(params, "little");
}

} // namespace

bool hasThresholds(const std::string& strategy) {
    return strategy == kLittleDrafts || strategy == "self" || strategy == "early-exit";
}

std::string thresholdStrategy(const std::string& strategy) {
    return hasThresholds(strategy) ? strategy : kLittleDrafts;
}

bool needsLittle(const std::string& strategy) {
    const std::vector<const char*> params = drafterParams(strategy);
    return params.size() == 1 && std::string_view(params.front()) == "little";
}

std::vector<const char*> drafterParams(const std::string& strategy) {
    if (strategy == "big" || strategy == "lookup") {
        return {};
    }
    if (strategy == "self") {
        return {"self_method", "self_bits"};
    }
    if (strategy == "early-exit") {
        return {"exit_layer"};
    }
    return {"little"};
}

QString pairText(const Json& params, const std::string& strategy) {
    const QString big = modelText(params, "big");
    const QString drafter = drafterText(params, strategy);
    if (strategy == "little") {
        return drafter;
    }
    return drafter.isEmpty() ? big : tr("%1 + %2").arg(big, drafter);
}

} // namespace lathe
