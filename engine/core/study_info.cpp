// SPDX-License-Identifier: Apache-2.0
#include "engine/core/study_info.h"

#include "engine/core/error.h"
#include "engine/core/json_number.h"

#include <algorithm>

namespace lathe {

const ParamSpec* StudyInfo::find(const std::string& name) const {
    const auto it = std::ranges::find(params, name, &ParamSpec::name);
    return it == params.end() ? nullptr : &*it;
}

Json toJson(const StudyInfo& info) {
    Json params = Json::array();
    for (const ParamSpec& param : info.params) {
        params.push_back(toJson(param));
    }
    Json metrics = Json::array();
    for (const MetricInfo& metric : info.metrics) {
        metrics.push_back(
            {{"name", metric.name},
             {"title", metric.title},
             {"unit", metric.unit},
             {"better", metric.better},
             {"help", metric.help}});
    }
    return {{"id", info.id},       {"title", info.title}, {"summary", info.summary},
            {"paper", info.paper}, {"params", params},    {"metrics", metrics}};
}

StudyInfo studyInfoFromJson(const Json& json) {
    try {
        StudyInfo info;
        info.id = json.at("id").get<std::string>();
        info.title = json.at("title").get<std::string>();
        info.summary = json.at("summary").get<std::string>();
        info.paper = json.at("paper").get<std::string>();
        for (const Json& param : json.at("params")) {
            info.params.push_back(paramSpecFromJson(param));
        }
        for (const Json& metric : json.at("metrics")) {
            info.metrics.push_back(
                {metric.at("name").get<std::string>(), metric.at("title").get<std::string>(),
                 metric.at("unit").get<std::string>(), wholeNumber<int>(metric, "better"),
                 metric.at("help").get<std::string>()});
        }
        return info;
    } catch (const Json::exception& e) {
        throw FormatError(std::string("description of a study: ") + e.what());
    }
}

} // namespace lathe
