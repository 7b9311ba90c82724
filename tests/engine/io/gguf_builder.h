// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "tests/engine/io/file_bytes.h"

#include <bit>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace lathe::test {

/// Writes GGUF files for tests; every field can be made to lie.
class GgufBuilder {
public:
    std::uint32_t magic = 0x46554747;
    std::uint32_t version = 3;
    std::size_t alignment = 32;
    std::uint64_t surplusKeys = 0;    ///< added to the number of keys
    std::uint64_t surplusTensors = 0; ///< added to the number of tensors
    std::string data;                 ///< the data section

    GgufBuilder& text(std::string_view key, std::string_view value) {
        begin(key, 8);
        string(m_keys, value);
        return *this;
    }
    GgufBuilder& u32(std::string_view key, std::uint32_t value) {
        begin(key, 4);
        appendInteger(m_keys, value);
        return *this;
    }
    GgufBuilder& f32(std::string_view key, float value) {
        begin(key, 6);
        appendInteger(m_keys, std::bit_cast<std::uint32_t>(value));
        return *this;
    }
    GgufBuilder& flag(std::string_view key, bool value) {
        begin(key, 7);
        appendInteger<std::uint8_t>(m_keys, value ? 1 : 0);
        return *this;
    }
    GgufBuilder& texts(std::string_view key, const std::vector<std::string>& values) {
        beginArray(key, 8, values.size());
        for (const std::string& value : values) {
            string(m_keys, value);
        }
        return *this;
    }
    GgufBuilder& floats(std::string_view key, const std::vector<float>& values) {
        beginArray(key, 6, values.size());
        for (const float value : values) {
            appendInteger(m_keys, std::bit_cast<std::uint32_t>(value));
        }
        return *this;
    }
    GgufBuilder& integers(std::string_view key, const std::vector<std::int32_t>& values) {
        beginArray(key, 5, values.size());
        for (const std::int32_t value : values) {
            appendInteger(m_keys, value);
        }
        return *this;
    }
    /// A key with a type number and bytes of the test's choice.
    GgufBuilder& raw(std::string_view key, std::uint32_t type, std::string_view bytes) {
        begin(key, type);
        m_keys += bytes;
        return *this;
    }
    /// A row of the tensor table; `extents` fastest first, as in the file.
    GgufBuilder& tensor(
        std::string_view name, const std::vector<std::uint64_t>& extents, std::uint32_t type,
        std::uint64_t offset) {
        string(m_tensors, name);
        appendInteger(m_tensors, static_cast<std::uint32_t>(extents.size()));
        for (const std::uint64_t extent : extents) {
            appendInteger(m_tensors, extent);
        }
        appendInteger(m_tensors, type);
        appendInteger(m_tensors, offset);
        ++m_tensorCount;
        return *this;
    }
    /// An F32 tensor whose data is appended, aligned.
    GgufBuilder& floatsTensor(
        std::string_view name, const std::vector<std::uint64_t>& extents,
        const std::vector<float>& values) {
        data.resize((data.size() + alignment - 1) / alignment * alignment, '\0');
        tensor(name, extents, 0, data.size());
        for (const float value : values) {
            appendInteger(data, std::bit_cast<std::uint32_t>(value));
        }
        return *this;
    }

    std::string bytes() const {
        std::string all;
        appendInteger(all, magic);
        appendInteger(all, version);
        appendInteger(all, m_tensorCount + surplusTensors);
        appendInteger(all, m_keyCount + surplusKeys);
        all += m_keys + m_tensors;
        all.resize((all.size() + alignment - 1) / alignment * alignment, '\0');
        return all + data;
    }

    /// The keys of a small model of the llama architecture.
    static GgufBuilder llama() {
        GgufBuilder builder;
        builder.text("general.architecture", "llama")
            .u32("llama.block_count", 1)
            .u32("llama.context_length", 64)
            .u32("llama.embedding_length", 8)
            .u32("llama.feed_forward_length", 16)
            .u32("llama.attention.head_count", 2)
            .f32("llama.attention.layer_norm_rms_epsilon", 1e-5F)
            .u32("llama.vocab_size", 10);
        return builder;
    }

private:
    static void string(std::string& out, std::string_view value) {
        appendInteger<std::uint64_t>(out, value.size());
        out += value;
    }
    void begin(std::string_view key, std::uint32_t type) {
        string(m_keys, key);
        appendInteger(m_keys, type);
        ++m_keyCount;
    }
    void beginArray(std::string_view key, std::uint32_t type, std::size_t count) {
        begin(key, 9);
        appendInteger(m_keys, type);
        appendInteger<std::uint64_t>(m_keys, count);
    }

    std::string m_keys;
    std::string m_tensors;
    std::uint64_t m_keyCount = 0;
    std::uint64_t m_tensorCount = 0;
};

} // namespace lathe::test
