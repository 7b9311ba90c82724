// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "engine/core/spec.h"

#include <cstdint>
#include <string>
#include <vector>

namespace lathe {

/// A model that the engine can load, as the picker shows it.
struct ModelInfo {
    std::string name; ///< what `--model` takes: a bundled name or a path
    std::string title;
    std::string source; ///< bundled | folder | gguf | hf-cache
    std::string path;
    std::string architecture; ///< "llama", empty when unreadable
    std::int64_t parameters = 0;
    std::int64_t bytes = 0; ///< of the weight files
    std::string problem{};  ///< why it cannot be used; empty when it can
};

/// What an engine says of itself before the first run.
struct EngineInfo {
    int protocol = 0;
    std::string build;      ///< version and git revision
    std::string device;     ///< "CPU: AMD EPYC, AVX-512, 2 threads" or the GPU's name
    std::string deviceNote; ///< why not the GPU: "no NVIDIA driver"; empty when it serves
    std::vector<StudyInfo> studies;
    std::vector<ModelInfo> models;
    std::vector<std::string> questions{}; ///< what it answers between runs, beside them
    Json environment = Json::object();    ///< compiler, cpu, gpu, libraries
};

Json toJson(const ModelInfo& info);
Json toJson(const EngineInfo& info);
ModelInfo modelInfoFromJson(const Json& json);
EngineInfo engineInfoFromJson(const Json& json);

/// Runs Specs: in this process (Runner) or in a child (RemoteEngine). The submitter has inserted
/// the run and owns its id; events, the final RunChanged included, arrive at the sink given to the
/// implementation. One Spec at a time; the queue belongs to the submitter.
class RunService {
public:
    virtual ~RunService() = default;
    virtual void start(std::int64_t runId, const Spec& spec) = 0;
    virtual void cancel(std::int64_t runId) noexcept = 0;
};

} // namespace lathe
