// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

namespace lathe::test {

/// One source file of the project, read whole.
struct SourceFile {
    std::string path; ///< relative to the root: "engine/core/error.h"
    std::vector<std::string> lines;

    /// The module that owns it: kernels, core, engine, session, studies, cli, widgets, app, tests.
    std::string module() const;
};

struct Include {
    std::string target; ///< what stands between the brackets or quotes
    bool own = false;   ///< written with quotes
    int line = 0;
};

/// Every C++ and CUDA file of the project's folders.
std::vector<SourceFile> readSourceTree();
std::vector<Include> includesOf(const SourceFile& file);
/// The module a path relative to the root belongs to; empty for none.
std::string moduleOf(const std::string& path);

} // namespace lathe::test
