// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "engine/core/json.h"
#include "engine/io/mapped_file.h"
#include "engine/text/tokenizer.h"
#include "tests/support/lathe_test.h"

#include <string>
#include <utility>
#include <vector>

namespace lathe::test {

/// tests/data/tokenizers/<name>.
inline std::filesystem::path tokenizerFolder(const std::string& name) {
    return sourceFolder() / "tests" / "data" / "tokenizers" / name;
}

struct GoldenText {
    std::string text;
    std::vector<TokenId> ids;
};

/// Texts and their ids, from the golden.json of a vocabulary's folder.
inline std::vector<GoldenText> goldenTexts(const std::string& name) {
    const std::string path = (tokenizerFolder(name) / "golden.json").string();
    std::vector<GoldenText> all;
    for (const Json& entry : parseJson(readTextFile(path, std::size_t{1} << 20U), path)) {
        all.push_back(
            {entry.at("text").get<std::string>(), entry.at("ids").get<std::vector<TokenId>>()});
    }
    return all;
}

/// Texts of all kinds, for comparing two readings of one vocabulary.
inline std::vector<std::string> mixedTexts() {
    return {
        "The lathe turned slowly.",
        "It's the master's second look, and they'll say we've counted.",
        "three\ttabs\nand lines\r\n\n",
        "0 12 345 6789 3.75",
        "\u8ECA\u5E8A\u6162\u6162\u5730\u8F49\u52D5\u3002",
        "\U0001F642\U0001F527 \U0001F469\u200D\U0001F527",
        "u\u0308ber hei\u00DFes \u00D6l",
        "\u041C\u0430\u0441\u0442\u0435\u0440",
        "a\u00A0b\u200Bc\u3000d",
        "!!!???... --- ___ ``",
    };
}

} // namespace lathe::test
