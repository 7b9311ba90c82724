// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "engine/core/run_control.h"
#include "engine/io/checkpoint.h"
#include "kernels/core/exec_context.h"

#include <cstdint>
#include <string>
#include <vector>

/// Models of published sizes without published weights: what takes time and memory can be measured
/// where no checkpoint is at hand.
namespace lathe {

/// llama-7b, llama-13b, tinyllama (1.1 B parameters) and tiny, which is for tests.
std::vector<std::string> randomLlamaShapes();

/// A checkpoint of BF16 matrices of about normal numbers of deviation 0.02 and norms of 1, made
/// when they are asked for. Equal seeds give equal weights; there is no file and no vocabulary.
class RandomLlama final : public Checkpoint {
public:
    /// @throws InputError when `shape` is none of randomLlamaShapes.
    RandomLlama(RunControl& run, ExecContext& cpu, const std::string& shape, std::uint64_t seed);

    const Json& config() const override { return m_config; }
    const std::map<std::string, Entry>& entries() const override { return m_entries; }
    /// @throws Cancelled besides.
    Tensor tensor(const std::string& name) const override;
    std::int64_t storedBytes(const std::string& name) const override;
    std::string storedType(const std::string& name) const override;
    const std::map<std::string, std::string>& metadata() const override { return m_metadata; }
    std::shared_ptr<const Tokenizer> tokenizer() const override { return nullptr; }
    const std::filesystem::path& path() const override { return m_path; }
    std::int64_t fileBytes() const override { return 0; }
    std::string container() const override { return "random"; }

private:
    const Entry& entry(const std::string& name) const;

    RunControl& m_run;
    ExecContext& m_cpu;
    std::uint64_t m_seed;
    std::filesystem::path m_path; ///< what stands for the model in messages
    Json m_config;
    std::map<std::string, Entry> m_entries;
    std::map<std::string, std::string> m_metadata;
};

} // namespace lathe
