// SPDX-License-Identifier: Apache-2.0
#include "engine/core/run_service.h"

#include "engine/core/error.h"
#include "engine/core/json_number.h"

namespace lathe {

Json toJson(const ModelInfo& info) {
    return {
        {"name", info.name},
        {"title", info.title},
        {"source", info.source},
        {"path", info.path},
        {"architecture", info.architecture},
        {"parameters", info.parameters},
        {"bytes", info.bytes},
        {"problem", info.problem}};
}

Json toJson(const EngineInfo& info) {
    Json studies = Json::array();
    for (const StudyInfo& study : info.studies) {
        studies.push_back(toJson(study));
    }
    Json models = Json::array();
    for (const ModelInfo& model : info.models) {
        models.push_back(toJson(model));
    }
    return {{"protocol", info.protocol},   {"build", info.build},
            {"device", info.device},       {"device_note", info.deviceNote},
            {"studies", studies},          {"models", models},
            {"questions", info.questions}, {"environment", info.environment}};
}

ModelInfo modelInfoFromJson(const Json& json) {
    try {
        return {json.at("name").get<std::string>(),
                json.at("title").get<std::string>(),
                json.at("source").get<std::string>(),
                json.at("path").get<std::string>(),
                json.at("architecture").get<std::string>(),
                wholeNumber<std::int64_t>(json, "parameters"),
                wholeNumber<std::int64_t>(json, "bytes"),
                json.at("problem").get<std::string>()};
    } catch (const Json::exception& e) {
        throw FormatError(std::string("description of a model: ") + e.what());
    }
}

EngineInfo engineInfoFromJson(const Json& json) {
    try {
        EngineInfo info;
        info.protocol = wholeNumber<int>(json, "protocol");
        info.build = json.at("build").get<std::string>();
        info.device = json.at("device").get<std::string>();
        info.deviceNote = json.at("device_note").get<std::string>();
        for (const Json& study : json.at("studies")) {
            info.studies.push_back(studyInfoFromJson(study));
        }
        for (const Json& model : json.at("models")) {
            info.models.push_back(modelInfoFromJson(model));
        }
        info.questions = json.value("questions", std::vector<std::string>{}); // older: none
        info.environment = json.at("environment");
        return info;
    } catch (const Json::exception& e) {
        throw FormatError(std::string("the engine's description of itself: ") + e.what());
    }
}

} // namespace lathe
