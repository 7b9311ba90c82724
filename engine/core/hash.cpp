// SPDX-License-Identifier: Apache-2.0
#include "engine/core/hash.h"

#include "engine/core/cache_folder.h"
#include "engine/core/error.h"
#include "engine/core/json.h"

#include <xxhash.h>

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <fstream>
#include <vector>

namespace lathe {

namespace {

std::string hexOf(XXH128_hash_t hash) {
    XXH128_canonical_t canonical;
    XXH128_canonicalFromHash(&canonical, hash);
    static constexpr char kDigits[] = "0123456789abcdef";
    std::string text;
    for (const unsigned char byte : canonical.digest) {
        text += kDigits[byte >> 4];
        text += kDigits[byte & 15];
    }
    return text;
}

std::filesystem::path hashCacheFile() {
    const std::filesystem::path folder = cacheFolder();
    return folder.empty() ? folder : folder / "hashes.json";
}

/// Everything that changes when a file's content does, as far as the file system tells.
std::string identityOf(const std::filesystem::path& path) {
    struct stat status {};
    if (::stat(path.c_str(), &status) != 0) {
        throw InputError(path.string() + ": cannot be read; check the path");
    }
    if (!S_ISREG(status.st_mode)) {
        throw InputError(path.string() + ": is no regular file; give one, or a model's folder");
    }
    return std::filesystem::absolute(path).lexically_normal().string() + "|" +
           std::to_string(status.st_size) + "|" + std::to_string(status.st_mtim.tv_sec) + "." +
           std::to_string(status.st_mtim.tv_nsec) + "|" + std::to_string(status.st_ino);
}

Json readHashCache(const std::filesystem::path& file) {
    std::ifstream in(file, std::ios::binary);
    if (!in) {
        return Json::object();
    }
    const Json cache = Json::parse(in, nullptr, false);
    return cache.is_object() ? cache : Json::object();
}

void writeHashCache(const std::filesystem::path& file, const Json& cache) {
    // Only a cache: two programs may write it at once, so each writes aside and renames.
    std::error_code ignored;
    std::filesystem::create_directories(file.parent_path(), ignored);
    const std::filesystem::path aside = file.string() + "." + std::to_string(::getpid());
    std::ofstream out(aside, std::ios::binary);
    out << dumpJson(cache);
    out.close();
    if (out) {
        std::filesystem::rename(aside, file, ignored);
    }
    std::filesystem::remove(aside, ignored);
}

std::string hashFile(const std::filesystem::path& path, const std::function<void()>& poll) {
    std::ifstream in(path, std::ios::binary);
    if (!in) {
        throw InputError(path.string() + ": cannot be read; check the path and its permissions");
    }
    Hasher hasher;
    std::vector<char> buffer(1U << 20);
    while (in) {
        if (poll) {
            poll();
        }
        in.read(buffer.data(), static_cast<std::streamsize>(buffer.size()));
        hasher.update(std::string_view(buffer.data(), static_cast<std::size_t>(in.gcount())));
    }
    return hasher.hex();
}

bool isModelFile(const std::filesystem::path& path) {
    static constexpr std::array<std::string_view, 5> kExtensions{
        ".safetensors", ".json", ".model", ".txt", ".gguf"};
    const std::string name = path.filename().string();
    return name != "reference.safetensors" && name != "training.json" && name != "tuned.json" &&
           std::ranges::find(kExtensions, path.extension().string()) != kExtensions.end();
}

} // namespace

struct Hasher::State {
    XXH3_state_t* xxh = XXH3_createState();
    ~State() { XXH3_freeState(xxh); }
};

Hasher::Hasher() : m_state(std::make_unique<State>()) { XXH3_128bits_reset(m_state->xxh); }
Hasher::~Hasher() = default;

void Hasher::update(std::span<const std::byte> bytes) {
    XXH3_128bits_update(m_state->xxh, bytes.data(), bytes.size());
}

void Hasher::update(std::string_view text) {
    update(std::as_bytes(std::span(text.data(), text.size())));
}

std::string Hasher::hex() const { return hexOf(XXH3_128bits_digest(m_state->xxh)); }

std::string hashBytes(std::span<const std::byte> bytes) {
    return hexOf(XXH3_128bits(bytes.data(), bytes.size()));
}

std::string hashText(std::string_view text) {
    return hashBytes(std::as_bytes(std::span(text.data(), text.size())));
}

std::string hashPath(const std::filesystem::path& path, const std::function<void()>& poll) {
    std::vector<std::filesystem::path> files;
    if (std::filesystem::is_directory(path)) {
        for (const auto& entry : std::filesystem::directory_iterator(path)) {
            if (entry.is_regular_file() && isModelFile(entry.path())) {
                files.push_back(entry.path());
            }
        }
        std::ranges::sort(files);
    } else {
        files.push_back(path);
    }
    const std::filesystem::path cacheFile = hashCacheFile();
    Json cache = cacheFile.empty() ? Json::object() : readHashCache(cacheFile);
    bool changed = false;
    Hasher all;
    for (const std::filesystem::path& file : files) {
        const std::string identity = identityOf(file);
        auto known = cache.find(identity);
        if (known == cache.end() || !known->is_string()) {
            cache[identity] = hashFile(file, poll);
            known = cache.find(identity);
            changed = true;
        }
        all.update(file.filename().string());
        all.update(known->get<std::string>());
    }
    if (changed && !cacheFile.empty()) {
        writeHashCache(cacheFile, cache);
    }
    return all.hex();
}

} // namespace lathe
