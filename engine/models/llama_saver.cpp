// SPDX-License-Identifier: Apache-2.0
#include "engine/core/check.h"
#include "engine/core/hash.h"
#include "engine/io/safetensors.h"
#include "engine/models/llama.h"
#include "engine/models/quantized_format.h"
#include "engine/models/reference_layout.h"

#include <array>
#include <atomic>
#include <fstream>
#include <set>
#include <system_error>
#include <unistd.h>

namespace lathe {

namespace {

/// Vocabulary and what else of a folder stays true for its quantized model.
constexpr std::array kCopiedFiles{
    "tokenizer.json",
    "tokenizer.model",
    "spiece.model",
    "vocab.json",
    "merges.txt",
    "tokenizer_config.json",
    "added_tokens.json",
    "special_tokens_map.json",
    "generation_config.json",
    "training.json"};

/// A folder that exists under its final name only after `commit`, and then whole.
class PendingFolder {
public:
    explicit PendingFolder(const std::filesystem::path& target) : m_target(target) {
        static std::atomic<unsigned> counter{0};
        m_temporary = m_target;
        m_temporary += ".part-" + std::to_string(::getpid()) + "-" + std::to_string(counter++);
        if (m_target.has_parent_path()) {
            std::error_code error;
            std::filesystem::create_directories(m_target.parent_path(), error);
            fail(error, "cannot be created");
        }
        std::error_code error;
        std::filesystem::create_directory(m_temporary, error);
        fail(error, "cannot be created");
    }
    ~PendingFolder() {
        if (!m_committed) {
            std::error_code ignored;
            std::filesystem::remove_all(m_temporary, ignored);
        }
    }
    PendingFolder(const PendingFolder&) = delete;
    PendingFolder& operator=(const PendingFolder&) = delete;

    const std::filesystem::path& path() const noexcept { return m_temporary; }

    void commit() {
        std::error_code error;
        std::filesystem::rename(m_temporary, m_target, error);
        fail(error, "cannot be put in place; choose a folder that does not exist yet");
        m_committed = true;
    }

private:
    void fail(const std::error_code& error, const std::string& what) const {
        LATHE_CHECK(!error, m_target.string() + ": " + what + " (" + error.message() + ")");
    }

    std::filesystem::path m_target;
    std::filesystem::path m_temporary;
    bool m_committed = false;
};

void writeText(const std::filesystem::path& path, const std::string& text) {
    std::ofstream file(path, std::ios::binary);
    file << text;
    file.close();
    LATHE_CHECK(file.good(), path.string() + ": cannot be written");
}

void copyCompanions(const std::filesystem::path& from, const std::filesystem::path& to) {
    for (const char* name : kCopiedFiles) {
        std::error_code error;
        if (std::filesystem::exists(from / name, error)) {
            std::filesystem::copy_file(from / name, to / name, error);
        }
        LATHE_CHECK(
            !error, (from / name).string() + ": cannot be copied (" + error.message() + ")");
    }
}

} // namespace

/// Collects a model's tensors on the host under the names of the file.
class LlamaSaver {
public:
    LlamaSaver(const LlamaModel& model, ExecContext& context, WeightLayout layout)
        : m_context(context), m_layout(layout) {
        add("model.embed_tokens.weight", model.m_embedding);
        add("model.norm.weight", model.m_finalNorm);
        if (model.m_head) {
            add("lm_head", *model.m_head);
        }
        for (std::size_t layer = 0; layer < model.m_blocks.size(); ++layer) {
            const std::string at = "model.layers." + std::to_string(layer) + ".";
            add(at + "input_layernorm.weight", model.m_blocks[layer].inputNorm);
            add(at + "post_attention_layernorm.weight", model.m_blocks[layer].postAttentionNorm);
        }
        for (const auto& [name, linear] : model.modules()) {
            add(name, *linear);
        }
    }

    std::vector<NamedTensor> tensors() const {
        std::vector<NamedTensor> named;
        for (const auto& [name, tensor] : m_tensors) {
            named.push_back({name, tensor.view()});
        }
        return named;
    }
    /// What config.json says of the weights.
    Json quantizationConfig() const {
        if (m_layout == WeightLayout::Own) {
            return {{"quant_method", "lathe"}, {"version", kQuantizedFormatVersion}};
        }
        Json config{{"quant_method", kReferenceMethod}};
        std::set<int> bits;
        for (const Json& module : m_modules) {
            bits.insert(module.at("bits").get<int>());
        }
        if (bits.size() == 1) {
            config["bits"] = *bits.begin();
            config["wbits"] = *bits.begin(); // as programs of the time call it
        }
        return config;
    }
    /// `__metadata__` of the weight file.
    std::map<std::string, std::string> metadata(const Json& provenance) const {
        const std::string origin = dumpJson(provenance);
        if (m_layout == WeightLayout::Reference) {
            return {{"format", "pt"}, {kProvenanceKey, origin}};
        }
        const std::string format = dumpJson(record());
        return {
            {"format", "pt"},
            {kFormatKey, format},
            {kProvenanceKey, origin},
            {kRecordChecksumKey, recordChecksum(format, origin)}};
    }

private:
    Json record() const {
        Json checksums = Json::object();
        for (const auto& [name, tensor] : m_tensors) {
            checksums[name] = hashBytes({tensor.view().data, tensor.bytes()});
        }
        return {
            {"version", kQuantizedFormatVersion},
            {"modules", m_modules},
            {"checksums", std::move(checksums)}};
    }
    Tensor onHost(const Tensor& tensor) const {
        return tensor.device().isCuda() ? tensor.to(Device{}, m_context) : tensor.share();
    }
    void add(const std::string& name, const Tensor& tensor) {
        m_tensors.emplace_back(name, onHost(tensor));
    }
    void add(const std::string& name, const Linear& linear) {
        if (m_layout == WeightLayout::Reference &&
            std::holds_alternative<GroupWeight>(linear.weight)) {
            throw Unsupported(
                name + " is " + describe(linear.weight) +
                ", SqueezeLLM's layout holds look-up tables only; choose a method that makes them, "
                "or the own layout");
        }
        std::visit([&](const auto& weight) { addParts(name, weight); }, linear.weight);
        if (!std::holds_alternative<DenseWeight>(linear.weight)) {
            m_modules[name] = formatRecord(linear.weight);
        }
        if (linear.bias) {
            add(name + ".bias", *linear.bias);
        }
    }
    void addParts(const std::string& name, const DenseWeight& dense) {
        add(name + ".weight", dense.w);
    }
    void addParts(const std::string& name, const GroupWeight& group) {
        add(name + ".packed", group.packed);
        add(name + ".scale", group.scale);
        add(name + ".zero", group.zero);
    }
    void addReference(const std::string& name, const LutWeight& lut) {
        LutWeight host{onHost(lut.packed), onHost(lut.table), lut.bits, lut.in};
        if (lut.sparse) {
            host.sparse = SparseRows{
                onHost(lut.sparse->rowPointers), onHost(lut.sparse->columns),
                onHost(lut.sparse->values)};
        }
        const ReferenceModule module = toReference(host);
        add(name + ".qweight", module.qweight);
        add(name + ".lookup_table", module.lookupTable);
        if (lut.sparse) {
            add(name + ".rows", module.rows);
            add(name + ".cols", module.cols);
            add(name + ".vals", module.vals);
        }
    }
    void addParts(const std::string& name, const LutWeight& lut) {
        if (m_layout == WeightLayout::Reference) {
            addReference(name, lut);
            return;
        }
        add(name + ".packed", lut.packed);
        add(name + ".table", lut.table);
        if (lut.sparse) {
            add(name + ".row_pointers", lut.sparse->rowPointers);
            add(name + ".columns", lut.sparse->columns);
            add(name + ".values", lut.sparse->values);
        }
    }

    ExecContext& m_context;
    WeightLayout m_layout;
    std::vector<std::pair<std::string, Tensor>> m_tensors;
    Json m_modules = Json::object();
};

void requireSavable(const Checkpoint& source) {
    if (!std::filesystem::is_directory(source.path()) && source.tokenizer() != nullptr) {
        throw Unsupported(
            source.path().string() +
            ": the vocabulary inside a GGUF file cannot be written to a model folder; quantize the "
            "model's Hugging Face folder instead");
    }
}

void saveQuantized(
    const LlamaModel& model, const Checkpoint& source, const Json& provenance,
    const std::filesystem::path& folder, WeightLayout layout) {
    requireSavable(source);
    const bool isFolder = std::filesystem::is_directory(source.path());
    ExecContext context(
        model.m_device,
        ExecOptions{
            .target = model.m_device.isCuda() ? Target::Cuda : Target::Scalar, .threads = 1});
    const LlamaSaver saver(model, context, layout);
    Json config = source.config();
    config["quantization_config"] = saver.quantizationConfig();
    PendingFolder pending(folder.has_filename() ? folder : folder.parent_path());
    writeText(pending.path() / "config.json", dumpJsonPretty(config) + "\n");
    if (isFolder) {
        copyCompanions(source.path(), pending.path());
    }
    writeSafetensors(
        pending.path() / "model.safetensors", saver.tensors(), saver.metadata(provenance));
    pending.commit();
}

} // namespace lathe
