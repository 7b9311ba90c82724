// SPDX-License-Identifier: Apache-2.0
#include "engine/core/param_path.h"

#include <filesystem>

namespace lathe {

std::string fullPath(const std::string& path) {
    std::error_code gone; // the present folder: what uses the path says so
    std::filesystem::path full = std::filesystem::absolute(path, gone).lexically_normal();
    if (gone) {
        return path;
    }
    if (!full.has_filename()) {
        full = full.parent_path();
    }
    return full.string();
}

Json withFullPath(const ParamSpec& param, Json value) {
    if (!value.is_string() || value.get_ref<const std::string&>().empty()) {
        return value;
    }
    const auto text = value.get<std::string>();
    if (const std::string named = choiceFile(param, text); !named.empty()) {
        return text.substr(0, text.size() - named.size()) + fullPath(named);
    }
    const bool isPath =
        param.kind == ParamKind::Folder || (param.kind == ParamKind::File && !param.isNamed(text));
    return isPath ? Json(fullPath(text)) : value;
}

} // namespace lathe
