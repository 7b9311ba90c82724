// SPDX-License-Identifier: Apache-2.0
#include "engine/io/gguf_checkpoint.h"

#include "engine/core/error.h"
#include "engine/io/gguf_config.h"
#include "engine/text/gguf_tokenizer.h"
#include "engine/text/utf8.h"

#include <algorithm>
#include <array>
#include <string_view>

namespace lathe {

namespace {

struct NamePair {
    std::string_view gguf;
    std::string_view huggingFace;
};

constexpr std::array kModelNames{
    NamePair{"token_embd", "model.embed_tokens"},
    NamePair{"output_norm", "model.norm"},
    NamePair{"output", "lm_head"},
};
constexpr std::array kBlockNames{
    NamePair{"attn_norm", "input_layernorm"},    NamePair{"attn_q", "self_attn.q_proj"},
    NamePair{"attn_k", "self_attn.k_proj"},      NamePair{"attn_v", "self_attn.v_proj"},
    NamePair{"attn_output", "self_attn.o_proj"}, NamePair{"ffn_norm", "post_attention_layernorm"},
    NamePair{"ffn_gate", "mlp.gate_proj"},       NamePair{"ffn_up", "mlp.up_proj"},
    NamePair{"ffn_down", "mlp.down_proj"},
};
constexpr std::string_view kRopeFactors = "rope_freqs.weight";

template <std::size_t N>
std::string_view translated(const std::array<NamePair, N>& names, std::string_view name) {
    for (const NamePair& pair : names) {
        if (pair.gguf == name) {
            return pair.huggingFace;
        }
    }
    return {};
}

/// "blk.3.attn_q.weight" in parts; `block` is empty outside the blocks.
struct GgufName {
    std::string_view block{};
    std::string_view part{};
    std::string_view suffix{}; ///< ".weight" or ".bias"
};

GgufName splitName(std::string_view name) {
    GgufName parts;
    const std::size_t dot = name.rfind('.');
    if (dot == std::string_view::npos) {
        parts.part = name;
        return parts;
    }
    parts.suffix = name.substr(dot);
    parts.part = name.substr(0, dot);
    constexpr std::string_view kBlock = "blk.";
    if (parts.part.starts_with(kBlock)) {
        const std::size_t end = parts.part.find('.', kBlock.size());
        if (end != std::string_view::npos) {
            parts.block = parts.part.substr(kBlock.size(), end - kBlock.size());
            parts.part = parts.part.substr(end + 1);
        }
    }
    return parts;
}

/// The Hugging Face name, or the name itself where there is none.
std::string huggingFaceName(const std::string& name) {
    const GgufName parts = splitName(name);
    const std::string_view stem = parts.block.empty() ? translated(kModelNames, parts.part)
                                                      : translated(kBlockNames, parts.part);
    if (stem.empty() || (parts.suffix != ".weight" && parts.suffix != ".bias")) {
        return name;
    }
    const std::string front =
        parts.block.empty() ? "" : "model.layers." + std::string(parts.block) + ".";
    return front + std::string(stem) + std::string(parts.suffix);
}

} // namespace

GgufCheckpoint::GgufCheckpoint(std::filesystem::path path)
    : GgufCheckpoint(path, GgufFile::open(path)) {}

GgufCheckpoint::GgufCheckpoint(std::filesystem::path path, GgufFile file)
    : m_path(std::move(path)), m_file(std::move(file)), m_config(ggufConfig(m_file)) {
    addEntries();
    for (const auto& [key, value] : m_file.keys()) {
        if (const auto* text = std::get_if<std::string>(&value)) {
            m_metadata[key] = *text;
        }
    }
}

/// Rows of q and k are interleaved in files of the llama architecture: of a head of size d, row 2j
/// is row j and row 2j + 1 is row j + d / 2 in Hugging Face order.
GgufCheckpoint::Source GgufCheckpoint::sourceOf(const std::string& ggufName) const {
    const std::string_view part = splitName(ggufName).part;
    if (ggufArchitecture(m_file) != "llama" || (part != "attn_q" && part != "attn_k")) {
        return {ggufName, 0};
    }
    const GgufFile::Entry& entry = m_file.entries().at(ggufName);
    const std::int64_t heads = ggufHeadCount(m_file, part == "attn_k");
    const bool cutsBlocks = entry.shape.rank() == 1 && entry.type->widen != nullptr;
    if (entry.shape.rank() < 1 || entry.shape.rank() > 2 || cutsBlocks ||
        entry.shape[0] % (2 * heads) != 0) {
        throw FormatError(
            m_file.name() + ": tensor '" + printable(ggufName) + "' is " + entry.shape.text() +
            " " + std::string(entry.type->name) + ", whose rows are no pairs of " +
            std::to_string(heads) + " heads");
    }
    return {ggufName, heads};
}

void GgufCheckpoint::addEntries() {
    for (const auto& [ggufName, entry] : m_file.entries()) {
        if (ggufName == kRopeFactors) {
            continue;
        }
        const std::string name = huggingFaceName(ggufName);
        if (!m_sources.emplace(name, sourceOf(ggufName)).second) {
            throw FormatError(m_file.name() + ": two tensors stand for '" + printable(name) + "'");
        }
        m_entries.emplace(name, Entry{entry.type->dtype, entry.shape});
    }
}

const GgufCheckpoint::Source& GgufCheckpoint::at(const std::string& name) const {
    const auto found = m_sources.find(name);
    if (found == m_sources.end()) {
        throw FormatError(m_file.name() + ": has no tensor '" + printable(name) + "'");
    }
    return found->second;
}

Tensor GgufCheckpoint::tensor(const std::string& name) const {
    const Source& source = at(name);
    if (source.interleavedHeads == 0) {
        return m_file.tensor(source.name);
    }
    const std::int64_t headDim = m_entries.at(name).shape[0] / source.interleavedHeads;
    return m_file.tensorRows(source.name, [headDim](std::int64_t row) {
        const std::int64_t within = row % headDim;
        const std::int64_t half = headDim / 2;
        return row - within + (within < half ? 2 * within : 2 * (within - half) + 1);
    });
}

std::int64_t GgufCheckpoint::storedBytes(const std::string& name) const {
    return static_cast<std::int64_t>(m_file.entries().at(at(name).name).bytes);
}

std::string GgufCheckpoint::storedType(const std::string& name) const {
    return std::string(m_file.entries().at(at(name).name).type->name);
}

std::shared_ptr<const Tokenizer> GgufCheckpoint::tokenizer() const {
    std::call_once(m_tokenizerOnce, [this] { m_tokenizer = loadGgufTokenizer(m_file); });
    return m_tokenizer;
}

} // namespace lathe
