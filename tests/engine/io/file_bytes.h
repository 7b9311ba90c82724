// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "kernels/core/tensor.h"

#include <cstring>
#include <filesystem>
#include <fstream>
#include <memory>
#include <string>
#include <string_view>

/// Files made byte by byte, honest and lying ones.
namespace lathe::test {

inline void writeFile(const std::filesystem::path& path, std::string_view content) {
    std::ofstream(path, std::ios::binary)
        .write(content.data(), static_cast<std::streamsize>(content.size()));
}

template <class Integer>
void appendInteger(std::string& bytes, Integer value) {
    for (std::size_t i = 0; i < sizeof(Integer); ++i) {
        bytes += static_cast<char>((static_cast<std::uint64_t>(value) >> (8 * i)) & 0xFFU);
    }
}

/// A file's content in memory, `misalignment` bytes behind an aligned address.
class BytesStorage : public Storage {
public:
    explicit BytesStorage(std::string_view bytes, std::size_t misalignment = 0)
        : m_block(Storage::allocate(bytes.size() + misalignment + 1, Device{})),
          m_start(misalignment), m_size(bytes.size()) {
        std::memcpy(data(), bytes.data(), bytes.size());
    }
    std::byte* data() noexcept override { return m_block->data() + m_start; }
    std::size_t bytes() const noexcept override { return m_size; }
    Device device() const noexcept override { return Device{}; }

private:
    std::shared_ptr<Storage> m_block;
    std::size_t m_start;
    std::size_t m_size;
};

inline std::shared_ptr<Storage> storageOf(std::string_view bytes) {
    return std::make_shared<BytesStorage>(bytes);
}

/// A safetensors file of a header (as text) and data.
inline std::string safetensorsBytes(std::string_view header, std::string_view data) {
    std::string bytes;
    appendInteger<std::uint64_t>(bytes, header.size());
    bytes += header;
    bytes += data;
    return bytes;
}

} // namespace lathe::test
