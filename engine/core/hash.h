// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <filesystem>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>

namespace lathe {

/// XXH3-128 of bytes, 32 hex digits.
std::string hashBytes(std::span<const std::byte> bytes);
std::string hashText(std::string_view text);

/// Incremental XXH3-128.
class Hasher {
public:
    Hasher();
    ~Hasher();
    Hasher(const Hasher&) = delete;
    Hasher& operator=(const Hasher&) = delete;
    void update(std::span<const std::byte> bytes);
    void update(std::string_view text);
    std::string hex() const;

private:
    struct State;
    std::unique_ptr<State> m_state;
};

/// Hash of a file, or of a folder's files (sorted by name) where a model is one. Remembered on disk
/// by path, size, time and inode under the user's cache folder, since models are large.
/// @param poll is called between blocks of a megabyte; what it throws ends the reading.
/// @throws InputError for what cannot be read or is no regular file (a pipe would never end).
std::string hashPath(const std::filesystem::path& path, const std::function<void()>& poll = {});

} // namespace lathe
