// SPDX-License-Identifier: Apache-2.0
#include "engine/io/mapped_file.h"

#include "engine/core/error.h"

#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

namespace lathe {

namespace {

/// Closes a descriptor at the end of its scope.
class Descriptor {
public:
    explicit Descriptor(int fd) : m_fd(fd) {}
    ~Descriptor() {
        if (m_fd >= 0) {
            ::close(m_fd);
        }
    }
    Descriptor(const Descriptor&) = delete;
    Descriptor& operator=(const Descriptor&) = delete;
    int get() const noexcept { return m_fd; }

private:
    int m_fd;
};

/// A whole file in memory pages; an empty file has no pages.
class MappedStorage : public Storage {
public:
    MappedStorage(void* data, std::size_t bytes) : m_data(data), m_bytes(bytes) {}
    ~MappedStorage() override {
        if (m_bytes > 0) {
            ::munmap(m_data, m_bytes);
        }
    }
    MappedStorage(const MappedStorage&) = delete;
    MappedStorage& operator=(const MappedStorage&) = delete;

    std::byte* data() noexcept override { return static_cast<std::byte*>(m_data); }
    std::size_t bytes() const noexcept override { return m_bytes; }
    Device device() const noexcept override { return Device{}; }

private:
    void* m_data;
    std::size_t m_bytes;
};

std::string lastReason() { return std::strerror(errno); }

/// Opens a regular file. O_NONBLOCK keeps the open of a fifo from waiting for its writer.
int openRegular(const std::filesystem::path& path, struct stat& status) {
    const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (fd < 0) {
        throw InputError(path.string() + ": cannot be opened (" + lastReason() + ")");
    }
    std::string problem;
    if (::fstat(fd, &status) != 0) {
        problem = "cannot be examined (" + lastReason() + ")";
    } else if (S_ISDIR(status.st_mode)) {
        problem = "is a folder, a file is needed";
    } else if (!S_ISREG(status.st_mode)) {
        problem = "is not a regular file";
    }
    if (!problem.empty()) {
        ::close(fd);
        throw InputError(path.string() + ": " + problem);
    }
    return fd;
}

} // namespace

bool pathExists(const std::filesystem::path& path) {
    std::error_code failed;
    const std::filesystem::file_status status = std::filesystem::status(path, failed);
    if (!std::filesystem::status_known(status)) {
        throw InputError(path.string() + ": cannot be examined (" + failed.message() + ")");
    }
    return std::filesystem::exists(status);
}

std::shared_ptr<Storage> mapFile(const std::filesystem::path& path) {
    struct stat status {};
    const Descriptor file(openRegular(path, status));
    const auto bytes = static_cast<std::size_t>(status.st_size);
    if (bytes == 0) {
        return std::make_shared<MappedStorage>(nullptr, 0);
    }
    void* data = ::mmap(nullptr, bytes, PROT_READ, MAP_PRIVATE, file.get(), 0);
    if (data == MAP_FAILED) {
        throw InputError(
            path.string() + ": " + std::to_string(bytes) + " bytes cannot be mapped (" +
            lastReason() + ")");
    }
    return std::make_shared<MappedStorage>(data, bytes);
}

std::string readTextFile(const std::filesystem::path& path, std::size_t limit) {
    struct stat status {};
    const Descriptor file(openRegular(path, status));
    const auto tooLarge = [&] {
        return InputError(
            path.string() + ": larger than the limit of " + std::to_string(limit) + " bytes");
    };
    if (static_cast<std::size_t>(status.st_size) > limit) {
        throw tooLarge();
    }
    std::string text(static_cast<std::size_t>(status.st_size), '\0');
    std::size_t filled = 0;
    // The size is a hint only: the file may grow, and files under /proc report nothing.
    for (;;) {
        if (filled == text.size()) {
            text.resize(filled + 4096);
        }
        const ssize_t got = ::read(file.get(), text.data() + filled, text.size() - filled);
        if (got < 0 && errno == EINTR) {
            continue;
        }
        if (got < 0) {
            throw InputError(path.string() + ": cannot be read (" + lastReason() + ")");
        }
        if (got == 0) {
            break;
        }
        filled += static_cast<std::size_t>(got);
        if (filled > limit) {
            throw tooLarge();
        }
    }
    text.resize(filled);
    return text;
}

} // namespace lathe
