// SPDX-License-Identifier: Apache-2.0
#include "tests/architecture/source_tree.h"

#include "tests/support/lathe_test.h"

#include <algorithm>
#include <array>
#include <fstream>
#include <regex>

namespace lathe::test {

namespace {

constexpr std::array<const char*, 7> kFolders{"kernels", "engine", "audio", "experiments",
                                              "widgets", "app",    "tests"};
constexpr std::array<std::string_view, 4> kExtensions{".h", ".cpp", ".cu", ".cuh"};

SourceFile readFile(const std::filesystem::path& path, const std::filesystem::path& root) {
    SourceFile file{std::filesystem::relative(path, root).generic_string(), {}};
    std::ifstream in(path);
    for (std::string line; std::getline(in, line);) {
        file.lines.push_back(std::move(line));
    }
    return file;
}

} // namespace

std::string moduleOf(const std::string& path) {
    // Longest prefixes first.
    static const std::vector<std::pair<std::string, std::string>> kModules{
        {"engine/core/", "core"},
        {"experiments/store/", "session"},
        {"experiments/remote/server", "cli"},
        {"experiments/remote/", "session"},
        {"experiments/cli/", "cli"},
        {"experiments/", "studies"},
        {"engine/", "engine"},
        {"kernels/", "kernels"},
        {"audio/", "audio"},
        {"widgets/", "widgets"},
        {"app/", "app"},
        {"tests/", "tests"}};
    for (const auto& [prefix, module] : kModules) {
        if (path.starts_with(prefix)) {
            return module;
        }
    }
    return {};
}

std::string SourceFile::module() const { return moduleOf(path); }

std::vector<SourceFile> readSourceTree() {
    const std::filesystem::path root = sourceFolder();
    std::vector<SourceFile> files;
    for (const char* folder : kFolders) {
        if (!std::filesystem::exists(root / folder)) {
            continue;
        }
        for (const auto& entry : std::filesystem::recursive_directory_iterator(root / folder)) {
            const std::string extension = entry.path().extension().string();
            if (entry.is_regular_file() &&
                std::ranges::find(kExtensions, extension) != kExtensions.end()) {
                files.push_back(readFile(entry.path(), root));
            }
        }
    }
    return files;
}

std::vector<Include> includesOf(const SourceFile& file) {
    static const std::regex kInclude(R"(^\s*#\s*include\s*([<"])([^>"]+)[>"])");
    std::vector<Include> includes;
    for (std::size_t i = 0; i < file.lines.size(); ++i) {
        std::smatch match;
        if (std::regex_search(file.lines[i], match, kInclude)) {
            includes.push_back({match[2], match[1] == "\"", static_cast<int>(i + 1)});
        }
    }
    return includes;
}

} // namespace lathe::test
