// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "engine/core/json.h"
#include "kernels/core/tensor.h"

#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <vector>

namespace lathe {

/// One safetensors file, mapped, never copied. The header is treated as hostile: its length, every
/// offset, every product of a shape and overlaps are checked before use.
class SafetensorsFile {
public:
    struct Entry {
        DType dtype;
        Shape shape;
        std::size_t offset; ///< from the start of the data section
        std::size_t bytes;
    };

    /// @throws InputError when it cannot be opened, FormatError naming file, tensor and numbers.
    static SafetensorsFile open(const std::filesystem::path& path);

    const std::map<std::string, Entry>& entries() const noexcept { return m_entries; }
    const std::map<std::string, std::string>& metadata() const noexcept { return m_metadata; }
    bool contains(const std::string& name) const { return m_entries.contains(name); }
    /// Tensors of element types that this program does not know, with the name of the type
    /// ("F8_E4M3"); they are not among the entries.
    const std::map<std::string, std::string>& unknownTypes() const noexcept {
        return m_unknownTypes;
    }
    /// A tensor on the mapped file (read-only pages: reading only); a copy on the heap where the
    /// file does not align the elements. @throws FormatError if absent, Unsupported for an unknown
    /// type.
    Tensor tensor(const std::string& name) const;
    const std::filesystem::path& path() const noexcept { return m_path; }
    std::size_t fileBytes() const noexcept { return m_storage->bytes(); }

    /// Parses from memory (fuzzing, tests); `storage` holds the whole file.
    static SafetensorsFile parse(std::shared_ptr<Storage> storage, const std::string& name);

private:
    std::filesystem::path m_path;
    std::shared_ptr<Storage> m_storage;
    std::size_t m_dataOffset = 0;
    std::map<std::string, Entry> m_entries;
    std::map<std::string, std::string> m_unknownTypes;
    std::map<std::string, std::string> m_metadata;
};

struct NamedTensor {
    std::string name;
    ConstView view; ///< host memory
};

/// Writes beside `path` and renames when complete, so that no half file stays behind. Tensors are
/// stored back to back in the order given; the data begins at a multiple of 64 bytes.
/// @throws InputError when a name is empty or doubled, or the file cannot be written.
void writeSafetensors(
    const std::filesystem::path& path, const std::vector<NamedTensor>& tensors,
    const std::map<std::string, std::string>& metadata = {});

} // namespace lathe
