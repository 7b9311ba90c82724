// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "engine/io/checkpoint.h"
#include "engine/io/safetensors.h"

#include <mutex>

namespace lathe {

/// A Hugging Face model folder: config.json, safetensors in one file or in shards, a vocabulary.
class HfCheckpoint : public Checkpoint {
public:
    /// @throws InputError, FormatError, Unsupported as Checkpoint::open.
    explicit HfCheckpoint(std::filesystem::path folder);

    const Json& config() const override { return m_config; }
    const std::map<std::string, Entry>& entries() const override { return m_entries; }
    Tensor tensor(const std::string& name) const override;
    std::int64_t storedBytes(const std::string& name) const override;
    std::string storedType(const std::string& name) const override;
    const std::map<std::string, std::string>& metadata() const override { return m_metadata; }
    std::shared_ptr<const Tokenizer> tokenizer() const override;
    const std::filesystem::path& path() const override { return m_path; }
    std::int64_t fileBytes() const override { return m_fileBytes; }
    std::string container() const override { return "safetensors"; }

private:
    void addFile(const std::string& name);
    void addShards(const std::filesystem::path& index);
    const SafetensorsFile& fileOf(const std::string& name) const;

    std::filesystem::path m_path;
    Json m_config;
    std::vector<SafetensorsFile> m_files;
    std::map<std::string, std::size_t> m_fileOf; ///< tensor name to place in m_files
    std::map<std::string, Entry> m_entries;
    std::map<std::string, std::string> m_metadata;
    std::int64_t m_fileBytes = 0;
    /// Read when first asked for: many uses need no vocabulary.
    mutable std::once_flag m_tokenizerOnce;
    mutable std::shared_ptr<const Tokenizer> m_tokenizer;
};

} // namespace lathe
