// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "engine/io/safetensors.h"

#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace lathe {

class LlamaModel;

/// Changes when the meaning of the stored values does.
inline constexpr int kSensitivityVersion = 1;

/// How a file of sensitivities came about: `__metadata__` "lathe.sensitivity".
struct SensitivityRecord {
    std::string modelHash; ///< of the model's files
    std::string text;      ///< file name of the calibration text, "model": written by itself
    std::string textHash;  ///< of the file's content; of the ids of what the model wrote
    std::int64_t samples = 0;
    std::int64_t length = 0; ///< ids per sample
    std::uint64_t seed = 1;
    double loss = 0.0; ///< mean over the samples, nats per predicted token
    std::string device;
    std::string build;
    bool operator==(const SensitivityRecord&) const = default;
};

/// How much a model's loss hangs on each weight: per matrix the mean over samples of the squared
/// gradient of a sample's mean loss. One safetensors file, `<module>.sensitivity` F32 [out, in],
/// under the names of LlamaModel::modules().
/// Its scale: a sample of T predictions has half the sum of T * F * (w - quantized)^2 as the second
/// order estimate of the loss that quantizing adds.
/// @see SqueezeLLM (arXiv 2306.07629), section 3.2.
class Sensitivities {
public:
    /// Looks at names, types and the record; values are checked by `of`.
    /// @throws InputError when it cannot be opened, FormatError when it is no such file.
    static Sensitivities open(const std::filesystem::path& path);

    const SensitivityRecord& record() const noexcept { return m_record; }
    const std::filesystem::path& path() const noexcept { return m_file.path(); }
    std::int64_t fileBytes() const noexcept;
    /// Names of the modules, sorted.
    std::vector<std::string> modules() const;
    /// [out, in] F32 on the host, in mapped memory. Reads all values.
    /// @throws FormatError when the module is absent, or naming the first value that is NaN,
    ///         infinite or negative.
    Tensor of(const std::string& module) const;
    /// Sum over a module's weights.
    double total(const std::string& module) const;
    /// @throws InputError when they were computed for other weights (by the hash of the model's
    ///         files); FormatError for a module that is missing, surplus or of another shape.
    void requireFor(const LlamaModel& model, const std::string& modelHash) const;

private:
    explicit Sensitivities(SafetensorsFile file) : m_file(std::move(file)) {}
    SafetensorsFile m_file;
    SensitivityRecord m_record;
};

/// Writes beside `path` and renames when complete.
/// @param modules name and [out, in] F32 on the host.
void writeSensitivities(
    const std::filesystem::path& path, const SensitivityRecord& record,
    std::span<const std::pair<std::string, Tensor>> modules);

} // namespace lathe
