// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "engine/io/gguf_types.h"
#include "kernels/core/tensor.h"

#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

namespace lathe {

/// A value of the key table. Whole numbers and booleans are kept as 64-bit integers (those beyond
/// their range as floating point), floating point as double; arrays hold one of the three kinds.
using GgufValue = std::variant<
    std::int64_t, double, std::string, std::vector<std::int64_t>, std::vector<double>,
    std::vector<std::string>>;

/// One GGUF file (version 2 or 3, little-endian), mapped. All counts, lengths, offsets and products
/// are checked against the file before use.
class GgufFile {
public:
    struct Entry {
        const GgufType* type;
        Shape shape;        ///< rows first, as in safetensors
        std::size_t offset; ///< from the start of the file
        std::size_t bytes;
    };

    /// @throws InputError when it cannot be opened, FormatError naming file, key or tensor and the
    ///         numbers, Unsupported for another version, byte order or a tensor type that cannot be
    ///         read.
    static GgufFile open(const std::filesystem::path& path);
    /// Parses from memory; `storage` holds the whole file.
    static GgufFile parse(std::shared_ptr<Storage> storage, const std::string& name);

    const std::string& name() const noexcept { return m_name; }
    const std::map<std::string, GgufValue>& keys() const noexcept { return m_keys; }
    const std::map<std::string, Entry>& entries() const noexcept { return m_entries; }
    std::size_t fileBytes() const noexcept { return m_storage->bytes(); }

    /// The value at a key, nothing when it is absent. @throws FormatError when it is of another
    /// kind.
    std::optional<std::int64_t> integer(const std::string& key) const;
    std::optional<double> number(const std::string& key) const;
    const std::string* text(const std::string& key) const;
    const std::vector<std::string>* texts(const std::string& key) const;
    const std::vector<std::int64_t>* integers(const std::string& key) const;
    const std::vector<double>* numbers(const std::string& key) const;

    /// A tensor with its elements as `Entry::type->dtype`: on the mapped file when they are stored
    /// so and aligned, else on the heap. @throws FormatError when it is absent.
    Tensor tensor(const std::string& name) const;
    /// As above, with row i taken from row `source(i)` of the file.
    template <class RowSource>
    Tensor tensorRows(const std::string& name, const RowSource& source) const {
        const Entry& entry = at(name);
        Tensor out = Tensor::empty(entry.shape, entry.type->dtype, Device{});
        for (std::int64_t row = 0; row < entry.shape[0]; ++row) {
            readRow(entry, source(row), row, out);
        }
        return out;
    }

private:
    const Entry& at(const std::string& name) const;
    void readRow(const Entry& entry, std::int64_t from, std::int64_t to, Tensor& out) const;
    const GgufValue* find(const std::string& key) const;
    template <class T>
    const T* typed(const std::string& key, const char* kind) const;

    std::string m_name;
    std::shared_ptr<Storage> m_storage;
    std::map<std::string, GgufValue> m_keys;
    std::map<std::string, Entry> m_entries;
};

} // namespace lathe
