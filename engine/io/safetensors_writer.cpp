// SPDX-License-Identifier: Apache-2.0
#include "engine/core/error.h"
#include "engine/io/safetensors.h"

#include <atomic>
#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <set>
#include <unistd.h>

namespace lathe {

namespace {

/// A file that exists under its final name only after `commit`.
class PendingFile {
public:
    explicit PendingFile(std::filesystem::path target) : m_target(std::move(target)) {
        static std::atomic<unsigned> counter{0};
        m_temporary = m_target;
        m_temporary += ".part-" + std::to_string(::getpid()) + "-" + std::to_string(counter++);
        m_fd = ::open(m_temporary.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
        if (m_fd < 0) {
            fail("cannot be created");
        }
    }
    ~PendingFile() {
        if (m_fd >= 0) {
            ::close(m_fd);
        }
        if (!m_committed) {
            ::unlink(m_temporary.c_str());
        }
    }
    PendingFile(const PendingFile&) = delete;
    PendingFile& operator=(const PendingFile&) = delete;

    void write(const void* data, std::size_t bytes) {
        const char* next = static_cast<const char*>(data);
        while (bytes > 0) {
            const ssize_t written = ::write(m_fd, next, bytes);
            if (written < 0 && errno == EINTR) {
                continue;
            }
            if (written < 0) {
                fail("cannot be written");
            }
            next += written;
            bytes -= static_cast<std::size_t>(written);
        }
    }

    /// On disk before the name changes: a power cut leaves the old file or the new one.
    void commit() {
        if (::fsync(m_fd) != 0) {
            fail("cannot be written");
        }
        const int fd = std::exchange(m_fd, -1);
        if (::close(fd) != 0 || ::rename(m_temporary.c_str(), m_target.c_str()) != 0) {
            fail("cannot be put in place");
        }
        m_committed = true;
    }

private:
    [[noreturn]] void fail(const std::string& what) const {
        throw InputError(m_target.string() + ": " + what + " (" + std::strerror(errno) + ")");
    }

    std::filesystem::path m_target;
    std::filesystem::path m_temporary;
    int m_fd = -1;
    bool m_committed = false;
};

/// The JSON header with tensors back to back, padded with spaces so that the data begins at a
/// multiple of 64 bytes.
std::string makeHeader(
    const std::vector<NamedTensor>& tensors, const std::map<std::string, std::string>& metadata) {
    Json header = Json::object();
    if (!metadata.empty()) {
        header["__metadata__"] = metadata;
    }
    std::size_t offset = 0;
    for (const NamedTensor& tensor : tensors) {
        const std::size_t end = offset + tensor.view.bytes();
        Json shape = Json::array();
        for (const std::int64_t extent : tensor.view.shape.extents()) {
            shape.push_back(extent);
        }
        header[tensor.name] = {
            {"dtype", std::string(nameOf(tensor.view.dtype))},
            {"shape", std::move(shape)},
            {"data_offsets", {offset, end}}};
        offset = end;
    }
    std::string text = dumpJson(header);
    constexpr std::size_t kAlignment = 64;
    const std::size_t unpadded = sizeof(std::uint64_t) + text.size();
    text.append((kAlignment - unpadded % kAlignment) % kAlignment, ' ');
    return text;
}

} // namespace

void writeSafetensors(
    const std::filesystem::path& path, const std::vector<NamedTensor>& tensors,
    const std::map<std::string, std::string>& metadata) {
    std::set<std::string> names;
    for (const NamedTensor& tensor : tensors) {
        if (tensor.name.empty() || tensor.name == "__metadata__" ||
            !names.insert(tensor.name).second) {
            throw InputError(path.string() + ": tensor name '" + tensor.name + "' is not usable");
        }
        if (tensor.view.device.isCuda()) {
            throw InternalError(
                "tensor '" + tensor.name + "' must be in host memory to be written");
        }
    }
    const std::string header = makeHeader(tensors, metadata);
    std::array<unsigned char, sizeof(std::uint64_t)> length{};
    for (std::size_t i = 0; i < length.size(); ++i) {
        length[i] = static_cast<unsigned char>((header.size() >> (8 * i)) & 0xFFU);
    }
    PendingFile file(path);
    file.write(length.data(), length.size());
    file.write(header.data(), header.size());
    for (const NamedTensor& tensor : tensors) {
        file.write(tensor.view.data, tensor.view.bytes());
    }
    file.commit();
}

} // namespace lathe
