// SPDX-License-Identifier: Apache-2.0
#include "engine/core/check.h"
#include "engine/io/mapped_file.h"
#include "experiments/model_cache.h"

#include <algorithm>
#include <cstdlib>
#include <fstream>

/// Which models there are: bundled ones, the user's paths, the Hugging Face cache. Reads configs
/// only.
namespace lathe {

namespace {

constexpr std::size_t kMaxConfigBytes = std::size_t{4} << 20;

using std::filesystem::path;

path environmentPath(const char* variable) {
    const char* value = std::getenv(variable);
    return value != nullptr ? path(value) : path();
}

bool isModelFolder(const path& folder) {
    std::error_code unreadable;
    return std::filesystem::is_regular_file(folder / "config.json", unreadable);
}

bool isGguf(const path& file) { return file.extension() == ".gguf"; }

std::vector<path> subfolders(const path& folder) {
    std::vector<path> found;
    std::error_code unreadable;
    for (auto it = std::filesystem::directory_iterator(folder, unreadable);
         !unreadable && it != std::filesystem::directory_iterator(); it.increment(unreadable)) {
        std::error_code ignored;
        if (it->is_directory(ignored)) {
            found.push_back(it->path());
        }
    }
    std::ranges::sort(found);
    return found;
}

path modelsFolder() { return resourcesFolder() / "models"; }

/// Matrices and norms that a config implies; a quantized folder stores other shapes.
std::int64_t parametersOf(const LlamaConfig& c) {
    const std::int64_t queries = c.heads * c.headDim;
    const std::int64_t keys = c.kvHeads * c.headDim;
    const std::int64_t bias = c.qkvBias ? queries + 2 * keys : 0;
    const std::int64_t block = c.hiddenSize * (2 * queries + 2 * keys) + bias +
                               3 * c.hiddenSize * c.intermediateSize + 2 * c.hiddenSize;
    const std::int64_t ends = c.vocabularySize * c.hiddenSize * (c.tiedHead ? 1 : 2);
    return ends + c.layers * block + c.hiddenSize;
}

std::int64_t weightFileBytes(const path& folder) {
    std::int64_t bytes = 0;
    std::error_code unreadable;
    for (auto it = std::filesystem::directory_iterator(folder, unreadable);
         !unreadable && it != std::filesystem::directory_iterator(); it.increment(unreadable)) {
        const std::string name = it->path().filename().string();
        if (it->path().extension() == ".safetensors" && name != "reference.safetensors") {
            std::error_code missing;
            const auto size = std::filesystem::file_size(it->path(), missing);
            bytes += missing ? 0 : static_cast<std::int64_t>(size);
        }
    }
    return bytes;
}

void describeConfig(const Json& config, ModelInfo& info) {
    const auto type = config.find("model_type");
    if (type != config.end() && type->is_string()) {
        info.architecture = type->get<std::string>();
    }
    if (isT5(config)) {
        // Only the files tell of a head that newer settings call tied.
        info.parameters = parameterCount(t5ConfigFrom(config, false));
        return;
    }
    const LlamaConfig read = llamaConfigFrom(config);
    info.architecture = read.architecture;
    info.parameters = parametersOf(read);
}

void describeFolder(const path& folder, ModelInfo& info) {
    info.bytes = weightFileBytes(folder);
    const path config = folder / "config.json";
    describeConfig(parseJson(readTextFile(config, kMaxConfigBytes), config.string()), info);
    if (info.bytes == 0) {
        info.problem = "no .safetensors file is in " + folder.string();
    }
}

void describeGguf(const path& file, ModelInfo& info) {
    const auto checkpoint = Checkpoint::open(file);
    info.bytes = checkpoint->fileBytes();
    describeConfig(checkpoint->config(), info);
}

/// Weights stay in memory as they are stored: files larger than any device's memory never fit.
std::string sizeProblem(std::int64_t bytes) {
    std::int64_t most = deviceInfo(Device{}).totalBytes;
    for (int i = 0; i < cudaDeviceCount(); ++i) {
        most = std::max(most, deviceInfo(Device::parse("cuda:" + std::to_string(i))).totalBytes);
    }
    constexpr std::int64_t kMib = std::int64_t{1} << 20;
    return bytes <= most ? std::string()
                         : "its weights take " + std::to_string(bytes / kMib) +
                               " MiB of memory, and no device here has more than " +
                               std::to_string(most / kMib) + " MiB";
}

/// The snapshot that `main` names, else the first one that is a model.
path snapshotOf(const path& repository) {
    std::ifstream reference(repository / "refs" / "main");
    std::string revision;
    if (reference >> revision && isModelFolder(repository / "snapshots" / revision)) {
        return repository / "snapshots" / revision;
    }
    for (const path& snapshot : subfolders(repository / "snapshots")) {
        if (isModelFolder(snapshot)) {
            return snapshot;
        }
    }
    return {};
}

path huggingFaceFolder() {
    if (const path hub = environmentPath("HF_HUB_CACHE"); !hub.empty()) {
        return hub;
    }
    if (const path home = environmentPath("HF_HOME"); !home.empty()) {
        return home / "hub";
    }
    const path cache = environmentPath("XDG_CACHE_HOME");
    const path home = environmentPath("HOME");
    return (cache.empty() ? home / ".cache" : cache) / "huggingface" / "hub";
}

/// "models--org--name" as "org/name".
std::string repositoryTitle(std::string folder) {
    folder.erase(0, std::string_view("models--").size());
    if (const auto cut = folder.find("--"); cut != std::string::npos) {
        folder.replace(cut, 2, "/");
    }
    return folder;
}

void addHuggingFace(std::vector<ModelInfo>& models) {
    for (const path& repository : subfolders(huggingFaceFolder())) {
        const std::string name = repository.filename().string();
        const path snapshot = name.starts_with("models--") ? snapshotOf(repository) : path();
        if (snapshot.empty() || weightFileBytes(snapshot) == 0) {
            continue;
        }
        ModelInfo info = describeModel(snapshot);
        info.title = repositoryTitle(name);
        info.source = "hf-cache";
        models.push_back(std::move(info));
    }
}

std::string bundledNames() {
    std::string names;
    for (const path& folder : subfolders(modelsFolder())) {
        if (isModelFolder(folder)) {
            names += (names.empty() ? "" : ", ") + folder.filename().string();
        }
    }
    return names.empty() ? "none (in " + modelsFolder().string() + ")" : names;
}

} // namespace

path resourcesFolder() {
    if (const path given = environmentPath("LATHE_RESOURCES"); !given.empty()) {
        return given;
    }
    std::error_code unreadable;
    const path program = std::filesystem::read_symlink("/proc/self/exe", unreadable);
    if (!unreadable) {
        path installed = program.parent_path().parent_path() / "share" / "lathe";
        if (std::filesystem::is_directory(installed, unreadable)) {
            return installed;
        }
    }
    return LATHE_SOURCE_RESOURCES;
}

path resolveModel(const std::string& nameOrPath) {
    LATHE_CHECK(!nameOrPath.empty(), "no model is named; bundled models: " + bundledNames());
    const bool plainName =
        nameOrPath.find('/') == std::string::npos && nameOrPath != "." && nameOrPath != "..";
    if (plainName && isModelFolder(modelsFolder() / nameOrPath)) {
        return modelsFolder() / nameOrPath;
    }
    std::error_code unreadable;
    if (std::filesystem::exists(nameOrPath, unreadable)) {
        return std::filesystem::absolute(nameOrPath);
    }
    throw InputError(
        "'" + nameOrPath +
        "' is neither a bundled model nor a folder or .gguf file; bundled: " + bundledNames());
}

ModelInfo describeModel(const path& where) {
    ModelInfo info;
    info.name = where.string();
    info.path = where.string();
    info.title = where.filename().empty() ? where.parent_path().filename().string()
                                          : where.filename().string();
    info.source = isGguf(where) ? "gguf" : "folder";
    try {
        if (isGguf(where)) {
            describeGguf(where, info);
        } else {
            describeFolder(where, info);
        }
        if (info.problem.empty()) {
            info.problem = sizeProblem(info.bytes);
        }
    } catch (const Error& e) {
        info.problem = e.what();
    }
    return info;
}

std::vector<ModelInfo> listModels() {
    std::vector<ModelInfo> models;
    for (const path& folder : subfolders(modelsFolder())) {
        if (isModelFolder(folder)) {
            ModelInfo info = describeModel(folder);
            info.name = info.title;
            info.source = "bundled";
            models.push_back(std::move(info));
        }
    }
    addHuggingFace(models);
    return models;
}

} // namespace lathe
