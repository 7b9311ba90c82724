// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "engine/base/random.h"
#include "engine/io/checkpoint.h"
#include "engine/models/llama.h"

#include <map>
#include <string>

namespace lathe::test {

/// A checkpoint in memory, to be changed at will before it is loaded.
class MemoryCheckpoint : public Checkpoint {
public:
    Json json;
    std::map<std::string, Tensor> tensors;
    std::map<std::string, std::string> records;

    /// Puts a tensor of random values in the place of `name`; norms lie around 1.
    void put(const std::string& name, Shape shape, Random& random);
    /// Takes the entries from the tensors; call after every change.
    void seal();

    const Json& config() const override { return json; }
    const std::map<std::string, Entry>& entries() const override { return m_entries; }
    Tensor tensor(const std::string& name) const override { return tensors.at(name).share(); }
    std::int64_t storedBytes(const std::string& name) const override {
        return static_cast<std::int64_t>(tensors.at(name).bytes());
    }
    std::string storedType(const std::string& name) const override {
        return std::string(nameOf(tensors.at(name).dtype()));
    }
    const std::map<std::string, std::string>& metadata() const override { return records; }
    std::shared_ptr<const Tokenizer> tokenizer() const override { return nullptr; }
    const std::filesystem::path& path() const override { return m_path; }
    std::int64_t fileBytes() const override { return 0; }
    std::string container() const override { return "memory"; }

private:
    std::map<std::string, Entry> m_entries;
    std::filesystem::path m_path = "tiny";
};

/// config.json of a two-layer model: hidden 16, 4 heads of 4, 2 of them for keys, vocabulary 40.
Json tinyConfig(const std::string& modelType = "llama");
/// Random F32 weights for a configuration.
MemoryCheckpoint tinyCheckpoint(const Json& config, std::uint64_t seed = 7);

/// A quantized weight of random codes, tables and scales.
Weight randomLut(std::int64_t out, std::int64_t in, int bits, Random& random);
Weight
randomGroup(std::int64_t out, std::int64_t in, int bits, std::int64_t groupSize, Random& random);

std::vector<TokenId> randomIds(std::size_t count, std::int64_t vocabulary, Random& random);
/// A row-major copy of the logits of one fresh sequence.
std::vector<float> logitsOf(
    ExecContext& context, const LlamaModel& model, std::span<const TokenId> ids,
    std::size_t chunk = 0);
std::vector<float> copied(ConstView view);
double largestDifference(std::span<const float> a, std::span<const float> b);

/// The float model whose matrices are what the quantized one stands for.
std::unique_ptr<LlamaModel> dequantized(ExecContext& context, const LlamaModel& model);
/// The checkpoint of a saved model in memory, to be damaged.
MemoryCheckpoint inMemory(const std::filesystem::path& folder);

} // namespace lathe::test
