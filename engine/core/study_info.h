// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "engine/core/param_spec.h"

#include <string>
#include <vector>

namespace lathe {

/// What a result metric is, so that tables and plots know its title, unit and better direction.
struct MetricInfo {
    std::string name;  ///< key in a cell's metrics ("perplexity")
    std::string title; ///< "Perplexity"
    std::string unit;  ///< "byte", "s"; empty when it has none
    int better = 0;    ///< -1 lower is better, +1 higher, 0 neither
    std::string help{};
};

/// A study as both programs know it: the child sends these in its Hello, so that a window can drive
/// an engine that is newer than itself.
struct StudyInfo {
    std::string id; ///< "quant.sweep"
    std::string title;
    std::string summary; ///< one sentence
    std::string paper{}; ///< source, where there is one
    std::vector<ParamSpec> params;
    std::vector<MetricInfo> metrics{};

    const ParamSpec* find(const std::string& name) const;
};

Json toJson(const StudyInfo& info);
StudyInfo studyInfoFromJson(const Json& json);

} // namespace lathe
