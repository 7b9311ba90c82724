// SPDX-License-Identifier: Apache-2.0
#include "experiments/matrix_cache.h"

#include "engine/core/error.h"
#include "engine/core/hash.h"
#include "engine/io/mapped_file.h"

#include <cstdio>
#include <fstream>
#include <unistd.h>

namespace lathe {

namespace {

constexpr std::size_t kMostFile = std::size_t{1} << 20;

} // namespace

bool MatrixCache::read(std::size_t index, const std::function<void(const Json&)>& take) const {
    const std::filesystem::path path = pathOf(index);
    if (!pathExists(path)) {
        return false;
    }
    try {
        const Json file = parseJson(readTextFile(path, kMostFile), path.string());
        const Json& value = file.at(m_what);
        if (file.at("hash") != hashText(dumpJson(value))) {
            throw FormatError(path.string() + ": is not what was written");
        }
        take(value);
        return true;
    } catch (const Error& error) {
        warn(error.what());
    } catch (const Json::exception& error) {
        warn(path.string() + ": " + error.what());
    }
    return false;
}

void MatrixCache::write(std::size_t index, const Json& value) const {
    const std::filesystem::path path = pathOf(index);
    std::filesystem::path pending = path;
    pending += ".part-" + std::to_string(::getpid());
    std::ofstream file(pending, std::ios::binary);
    file << dumpJson({{m_what, value}, {"hash", hashText(dumpJson(value))}});
    file.close();
    std::error_code error;
    if (file.good()) {
        std::filesystem::rename(pending, path, error);
    }
    if (!file.good() || error) {
        std::error_code ignored;
        std::filesystem::remove(pending, ignored);
        throw InputError(path.string() + ": cannot be written");
    }
}

std::filesystem::path MatrixCache::pathOf(std::size_t index) const {
    char number[32];
    std::snprintf(number, sizeof number, "-%05zu.json", index);
    return m_folder / (m_what + number);
}

void MatrixCache::warn(const std::string& what) const {
    m_run.log(LogLevel::Warning, "a damaged cache file is computed again: " + what);
}

} // namespace lathe
