// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "engine/io/checkpoint.h"
#include "engine/io/gguf.h"

#include <mutex>

namespace lathe {

/// One .gguf file under Hugging Face names. Tensors that have no such name keep their own; the
/// rotary factors (rope_freqs.weight) are part of the config instead.
class GgufCheckpoint : public Checkpoint {
public:
    /// @throws as GgufFile::open and ggufConfig.
    explicit GgufCheckpoint(std::filesystem::path path);
    /// Of a file that is parsed already.
    GgufCheckpoint(std::filesystem::path path, GgufFile file);

    const Json& config() const override { return m_config; }
    const std::map<std::string, Entry>& entries() const override { return m_entries; }
    Tensor tensor(const std::string& name) const override;
    std::int64_t storedBytes(const std::string& name) const override;
    std::string storedType(const std::string& name) const override;
    const std::map<std::string, std::string>& metadata() const override { return m_metadata; }
    std::shared_ptr<const Tokenizer> tokenizer() const override;
    const std::filesystem::path& path() const override { return m_path; }
    std::int64_t fileBytes() const override {
        return static_cast<std::int64_t>(m_file.fileBytes());
    }
    std::string container() const override { return "gguf"; }

private:
    /// How rows lie in the file: as they are, or interleaved within each of so many heads.
    struct Source {
        std::string name;
        std::int64_t interleavedHeads = 0;
    };

    void addEntries();
    Source sourceOf(const std::string& ggufName) const;
    const Source& at(const std::string& name) const;

    std::filesystem::path m_path;
    GgufFile m_file;
    Json m_config;
    std::map<std::string, Source> m_sources; ///< by Hugging Face name
    std::map<std::string, Entry> m_entries;
    std::map<std::string, std::string> m_metadata; ///< the keys that hold text
    mutable std::once_flag m_tokenizerOnce;
    mutable std::shared_ptr<const Tokenizer> m_tokenizer;
};

} // namespace lathe
