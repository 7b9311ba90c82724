// SPDX-License-Identifier: Apache-2.0
#include "engine/io/hf_checkpoint.h"

#include "engine/core/error.h"
#include "engine/io/mapped_file.h"
#include "engine/text/utf8.h"

namespace lathe {

namespace {

constexpr std::size_t kMaxConfigBytes = std::size_t{16} << 20U;
constexpr std::size_t kMaxIndexBytes = std::size_t{64} << 20U;

Json readObject(const std::filesystem::path& path, std::size_t limit) {
    const std::string name = path.filename().string();
    Json value = parseJson(readTextFile(path, limit), name);
    if (!value.is_object()) {
        throw FormatError(name + ": is not a JSON object");
    }
    return value;
}

/// A shard is a file beside its index: a name with a path in it could read anything on the disk.
bool isPlainFileName(const std::string& name) {
    return !name.empty() && name != "." && name != ".." && name.find('/') == std::string::npos &&
           name.find('\\') == std::string::npos && name.find('\0') == std::string::npos;
}

} // namespace

HfCheckpoint::HfCheckpoint(std::filesystem::path folder) : m_path(std::move(folder)) {
    const std::filesystem::path config = m_path / "config.json";
    if (!pathExists(config)) {
        throw InputError(
            m_path.string() + ": holds no config.json, so it is not a Hugging Face model folder");
    }
    m_config = readObject(config, kMaxConfigBytes);
    const std::filesystem::path index = m_path / "model.safetensors.index.json";
    if (pathExists(m_path / "model.safetensors")) {
        addFile("model.safetensors");
    } else if (pathExists(index)) {
        addShards(index);
    } else if (
        pathExists(m_path / "pytorch_model.bin") ||
        pathExists(m_path / "pytorch_model.bin.index.json")) {
        throw Unsupported(
            m_path.string() + ": holds pytorch_model.bin only, a format that can run code when "
                              "read; convert it to safetensors");
    } else {
        throw InputError(
            m_path.string() + ": holds neither model.safetensors nor model.safetensors.index.json");
    }
}

void HfCheckpoint::addFile(const std::string& name) {
    if (!pathExists(m_path / name)) {
        throw InputError(
            m_path.string() + ": the weight file '" + printable(name) + "' is missing");
    }
    SafetensorsFile file = SafetensorsFile::open(m_path / name);
    if (!file.unknownTypes().empty()) {
        // Throws the message that names tensor and type.
        file.tensor(file.unknownTypes().begin()->first);
    }
    for (const auto& [tensorName, entry] : file.entries()) {
        const auto [other, added] = m_fileOf.emplace(tensorName, m_files.size());
        if (!added) {
            throw FormatError(
                name + ": tensor '" + printable(tensorName) + "' is also in " +
                m_files[other->second].path().filename().string());
        }
        m_entries.emplace(tensorName, Entry{entry.dtype, entry.shape});
    }
    m_metadata.insert(file.metadata().begin(), file.metadata().end());
    m_fileBytes += static_cast<std::int64_t>(file.fileBytes());
    m_files.push_back(std::move(file));
}

void HfCheckpoint::addShards(const std::filesystem::path& index) {
    const std::string indexName = index.filename().string();
    const Json content = readObject(index, kMaxIndexBytes);
    const auto weightMap = content.find("weight_map");
    if (weightMap == content.end() || !weightMap->is_object()) {
        throw FormatError(indexName + ": has no weight_map");
    }
    std::map<std::string, std::size_t> places;
    for (const auto& [tensorName, shard] : weightMap->items()) {
        if (!shard.is_string()) {
            throw FormatError(
                indexName + ": the file of tensor '" + printable(tensorName) + "' is not a name");
        }
        const auto& fileName = shard.get_ref<const std::string&>();
        if (!isPlainFileName(fileName)) {
            throw FormatError(
                indexName + ": the file of tensor '" + printable(tensorName) +
                "' must be a plain file name beside the index, not '" + printable(fileName) + "'");
        }
        auto place = places.find(fileName);
        if (place == places.end()) {
            place = places.emplace(fileName, m_files.size()).first;
            addFile(fileName);
        }
        const auto found = m_fileOf.find(tensorName);
        if (found == m_fileOf.end() || found->second != place->second) {
            throw FormatError(
                indexName + ": tensor '" + printable(tensorName) + "' should be in " +
                printable(fileName) + ", but is not");
        }
    }
}

const SafetensorsFile& HfCheckpoint::fileOf(const std::string& name) const {
    const auto found = m_fileOf.find(name);
    if (found == m_fileOf.end()) {
        throw FormatError(m_path.string() + ": has no tensor '" + printable(name) + "'");
    }
    return m_files[found->second];
}

Tensor HfCheckpoint::tensor(const std::string& name) const { return fileOf(name).tensor(name); }

std::int64_t HfCheckpoint::storedBytes(const std::string& name) const {
    return static_cast<std::int64_t>(fileOf(name).entries().at(name).bytes);
}

std::string HfCheckpoint::storedType(const std::string& name) const {
    return std::string(nameOf(fileOf(name).entries().at(name).dtype));
}

std::shared_ptr<const Tokenizer> HfCheckpoint::tokenizer() const {
    std::call_once(m_tokenizerOnce, [this] { m_tokenizer = loadTokenizer(m_path); });
    return m_tokenizer;
}

} // namespace lathe
