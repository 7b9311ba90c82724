// SPDX-License-Identifier: Apache-2.0
#include "engine/quant/sensitivity.h"

#include "engine/core/check.h"
#include "engine/models/llama.h"
#include "engine/text/utf8.h"

#include <cmath>
#include <numeric>

namespace lathe {

namespace {

constexpr const char* kRecordKey = "lathe.sensitivity";
constexpr std::string_view kSuffix = ".sensitivity";

std::string tensorName(const std::string& module) { return module + std::string(kSuffix); }

Json toJson(const SensitivityRecord& record) {
    return {
        {"version", kSensitivityVersion},
        {"model_hash", record.modelHash},
        {"text", record.text},
        {"text_hash", record.textHash},
        {"samples", record.samples},
        {"length", record.length},
        {"seed", record.seed},
        {"loss", record.loss},
        {"device", record.device},
        {"build", record.build}};
}

/// The value at `key`, of the kind that T is read from.
template <class T>
T valueAt(const Json& json, const char* key, const std::string& where) {
    const auto found = json.find(key);
    const bool fits =
        found != json.end() && (std::is_same_v<T, std::string> ? found->is_string()
                                : std::is_same_v<T, double>    ? found->is_number()
                                                               : found->is_number_integer());
    if (!fits) {
        throw FormatError(where + ": '" + key + "' is absent or of the wrong kind");
    }
    return found->get<T>();
}

SensitivityRecord recordOf(const SafetensorsFile& file) {
    const std::string name = file.path().string();
    const auto found = file.metadata().find(kRecordKey);
    if (found == file.metadata().end()) {
        throw FormatError(
            name + ": has no '" + kRecordKey +
            "' in its metadata; it is no file of sensitivities (lathe-run quant.sensitivity)");
    }
    const std::string where = name + ": " + kRecordKey;
    const Json json = parseJson(found->second, where);
    if (!json.is_object()) {
        throw FormatError(where + " is not a JSON object");
    }
    const auto version = valueAt<std::int64_t>(json, "version", where);
    if (version != kSensitivityVersion) {
        throw Unsupported(
            where + " has version " + std::to_string(version) + ", this program reads " +
            std::to_string(kSensitivityVersion) + "; compute it again");
    }
    SensitivityRecord record{
        .modelHash = valueAt<std::string>(json, "model_hash", where),
        .text = valueAt<std::string>(json, "text", where),
        .textHash = valueAt<std::string>(json, "text_hash", where),
        .samples = valueAt<std::int64_t>(json, "samples", where),
        .length = valueAt<std::int64_t>(json, "length", where),
        .seed = valueAt<std::uint64_t>(json, "seed", where),
        .loss = valueAt<double>(json, "loss", where),
        .device = valueAt<std::string>(json, "device", where),
        .build = valueAt<std::string>(json, "build", where)};
    if (record.samples < 1 || record.length < 2) {
        throw FormatError(
            where + " tells of " + std::to_string(record.samples) + " samples of " +
            std::to_string(record.length) + " tokens; the file is damaged");
    }
    return record;
}

} // namespace

Sensitivities Sensitivities::open(const std::filesystem::path& path) {
    Sensitivities result(SafetensorsFile::open(path));
    result.m_record = recordOf(result.m_file);
    for (const auto& [name, entry] : result.m_file.entries()) {
        if (!name.ends_with(kSuffix) || entry.dtype != DType::F32 || entry.shape.rank() != 2) {
            throw FormatError(
                path.string() + ": tensor '" + printable(name) + "' is " + entry.shape.text() +
                " " + std::string(nameOf(entry.dtype)) +
                ", needed is a matrix of F32 called MODULE.sensitivity");
        }
    }
    return result;
}

std::int64_t Sensitivities::fileBytes() const noexcept {
    return static_cast<std::int64_t>(m_file.fileBytes());
}

std::vector<std::string> Sensitivities::modules() const {
    std::vector<std::string> names;
    for (const auto& [name, entry] : m_file.entries()) {
        names.push_back(name.substr(0, name.size() - kSuffix.size()));
    }
    return names;
}

Tensor Sensitivities::of(const std::string& module) const {
    Tensor tensor = m_file.tensor(tensorName(module));
    const std::span<const float> values = std::as_const(tensor).view().as<float>();
    for (std::size_t i = 0; i < values.size(); ++i) {
        if (!std::isfinite(values[i]) || values[i] < 0.0F) {
            const auto columns = static_cast<std::size_t>(tensor.shape()[1]);
            throw FormatError(
                path().string() + ": the sensitivity of " + printable(module) + " in row " +
                std::to_string(i / columns) + ", column " + std::to_string(i % columns) + " is " +
                std::to_string(values[i]) + "; only numbers from 0 are possible");
        }
    }
    return tensor;
}

double Sensitivities::total(const std::string& module) const {
    const Tensor tensor = of(module);
    const std::span<const float> values = tensor.view().as<float>();
    return std::accumulate(values.begin(), values.end(), 0.0);
}

void Sensitivities::requireFor(const LlamaModel& model, const std::string& modelHash) const {
    LATHE_CHECK(
        m_record.modelHash == modelHash,
        path().string() + ": these are the sensitivities of another model (hash " +
            printable(m_record.modelHash) + ", not " + modelHash +
            "); compute them for this one with lathe-run quant.sensitivity");
    const auto modules = model.modules();
    for (const auto& [name, linear] : modules) {
        const Shape wanted{outFeatures(linear->weight), inFeatures(linear->weight)};
        const auto found = m_file.entries().find(tensorName(name));
        if (found == m_file.entries().end() || !(found->second.shape == wanted)) {
            throw FormatError(
                path().string() + ": " + name + " is " +
                (found == m_file.entries().end() ? "absent" : found->second.shape.text()) +
                ", the model has " + wanted.text());
        }
    }
    if (m_file.entries().size() != modules.size()) {
        throw FormatError(
            path().string() + ": holds " + std::to_string(m_file.entries().size()) +
            " modules, the model has " + std::to_string(modules.size()));
    }
}

void writeSensitivities(
    const std::filesystem::path& path, const SensitivityRecord& record,
    std::span<const std::pair<std::string, Tensor>> modules) {
    std::vector<NamedTensor> tensors;
    for (const auto& [name, tensor] : modules) {
        tensors.push_back({tensorName(name), tensor.view()});
    }
    writeSafetensors(path, tensors, {{"format", "pt"}, {kRecordKey, dumpJson(toJson(record))}});
}

} // namespace lathe
