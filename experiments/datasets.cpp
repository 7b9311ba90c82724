// SPDX-License-Identifier: Apache-2.0
#include "experiments/datasets.h"

#include "engine/core/check.h"
#include "engine/core/error.h"
#include "engine/core/json.h"
#include "engine/io/mapped_file.h"
#include "engine/text/white_space.h"
#include "experiments/model_cache.h"

#include <algorithm>
#include <optional>

namespace lathe {

namespace {

constexpr std::size_t kMaxTextBytes = std::size_t{256} << 20;
constexpr std::size_t kMaxDocumentBytes = std::size_t{1} << 30;
constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";

struct CodePoint {
    char32_t value;
    std::size_t bytes;
};

/// The code point at `at`; the text is valid UTF-8.
CodePoint codePointAt(std::string_view text, std::size_t at) {
    const auto byte = [&](std::size_t offset) {
        return at + offset < text.size()
                   ? static_cast<char32_t>(static_cast<unsigned char>(text[at + offset]))
                   : char32_t{0};
    };
    const char32_t lead = byte(0);
    if (lead < 0x80) {
        return {lead, 1};
    }
    if (lead < 0xE0) {
        return {((lead & 0x1F) << 6) | (byte(1) & 0x3F), 2};
    }
    if (lead < 0xF0) {
        return {((lead & 0x0F) << 12) | ((byte(1) & 0x3F) << 6) | (byte(2) & 0x3F), 3};
    }
    return {
        ((lead & 0x07) << 18) | ((byte(1) & 0x3F) << 12) | ((byte(2) & 0x3F) << 6) |
            (byte(3) & 0x3F),
        4};
}

/// Line ends as Python's text mode reads them: "\r\n" and a lone "\r" become "\n".
std::string withPlainLineEnds(std::string_view text) {
    std::string plain;
    plain.reserve(text.size());
    for (std::size_t i = 0; i < text.size(); ++i) {
        if (text[i] != '\r') {
            plain += text[i];
        } else if (i + 1 == text.size() || text[i + 1] != '\n') {
            plain += '\n';
        }
    }
    return plain;
}

struct Match {
    std::size_t begin;
    std::size_t end;
};

/// First match of `\*\*\* ?<word> OF (THE|THIS) PROJECT GUTENBERG`.
std::optional<Match> findMarker(std::string_view text, std::string_view word) {
    for (std::size_t at = text.find("***"); at != std::string_view::npos;
         at = text.find("***", at + 1)) {
        std::size_t end = at + 3;
        end += end < text.size() && text[end] == ' ' ? 1 : 0;
        for (const std::string_view article : {"THE", "THIS"}) {
            const std::string wanted =
                std::string(word) + " OF " + std::string(article) + " PROJECT GUTENBERG";
            if (text.substr(end).starts_with(wanted)) {
                return Match{at, end + wanted.size()};
            }
        }
    }
    return std::nullopt;
}

/// The part between the START line and the END line.
std::string_view bookBody(std::string_view text) {
    std::size_t from = 0;
    std::size_t to = text.size();
    if (const auto start = findMarker(text, "START")) {
        const std::size_t stars = text.find("***", start->end);
        from = stars == std::string_view::npos ? 0 : stars + 3;
    }
    if (const auto end = findMarker(text, "END")) {
        to = end->begin;
    }
    return from < to ? text.substr(from, to - from) : std::string_view{};
}

struct Paragraph {
    std::string text;
    std::size_t codePoints = 0;
};

/// White space collapsed to single spaces, none at the ends.
Paragraph collapsed(std::string_view text) {
    Paragraph paragraph;
    bool pendingSpace = false;
    for (std::size_t at = 0; at < text.size();) {
        const CodePoint point = codePointAt(text, at);
        const std::size_t bytes = std::min(point.bytes, text.size() - at);
        if (isWhiteSpace(point.value)) {
            pendingSpace = paragraph.codePoints > 0;
        } else {
            if (pendingSpace) {
                paragraph.text += ' ';
                ++paragraph.codePoints;
                pendingSpace = false;
            }
            paragraph.text += text.substr(at, bytes);
            ++paragraph.codePoints;
        }
        at += bytes;
    }
    return paragraph;
}

} // namespace

Cleaning cleaningFromName(std::string_view name) {
    if (name == "none") {
        return Cleaning::None;
    }
    if (name == "gutenberg") {
        return Cleaning::Gutenberg;
    }
    throw InputError("--clean must be none or gutenberg, not '" + std::string(name) + "'");
}

std::string cleanGutenberg(std::string_view text) {
    if (text.starts_with(kByteOrderMark)) {
        text.remove_prefix(kByteOrderMark.size());
    }
    const std::string plain = withPlainLineEnds(text);
    const std::string_view body = bookBody(plain);
    std::string joined;
    for (std::size_t at = 0; at <= body.size();) {
        const std::size_t end = std::min(body.find("\n\n", at), body.size());
        const Paragraph paragraph = collapsed(body.substr(at, end - at));
        if (paragraph.codePoints > 1) {
            joined += joined.empty() ? "" : "\n";
            joined += paragraph.text;
        }
        at = end + 2;
    }
    return joined;
}

std::filesystem::path defaultTextPath() {
    const std::filesystem::path folder = resourcesFolder() / "texts";
    std::vector<std::filesystem::path> texts;
    std::error_code unreadable;
    for (const auto& entry : std::filesystem::directory_iterator(folder, unreadable)) {
        if (entry.is_regular_file() && entry.path().extension() == ".txt") {
            texts.push_back(entry.path());
        }
    }
    if (texts.empty()) {
        throw InputError(folder.string() + ": no bundled text is there; give one with --text FILE");
    }
    return *std::ranges::min_element(texts);
}

std::string readText(const std::filesystem::path& path, Cleaning cleaning, RunControl& run) {
    const std::string bytes = readTextFile(path, kMaxTextBytes);
    std::string text = validUtf8(bytes);
    if (text != bytes) {
        run.log(
            LogLevel::Warning,
            path.string() + ": bytes that are not UTF-8 were replaced by U+FFFD");
    }
    if (cleaning == Cleaning::Gutenberg) {
        text = cleanGutenberg(text);
    }
    if (text.empty()) {
        throw InputError(path.string() + ": the text is empty; give a file with text in it");
    }
    return text;
}

std::vector<std::string> readDocuments(const std::filesystem::path& path, RunControl& run) {
    const std::string lines = readTextFile(path, kMaxDocumentBytes);
    std::vector<std::string> documents;
    std::size_t number = 0;
    for (std::size_t at = 0; at < lines.size();) {
        if (++number % 1024 == 0) {
            run.checkpoint();
        }
        const std::size_t end = std::min(lines.find('\n', at), lines.size());
        const std::string_view line = std::string_view(lines).substr(at, end - at);
        at = end + 1;
        if (line.find_first_not_of(" \t\r") == std::string_view::npos) {
            continue;
        }
        const std::string where = path.string() + ", line " + std::to_string(number);
        const Json object = parseJson(line, where);
        const auto text = object.is_object() ? object.find("text") : object.end();
        if (text == object.end() || !text->is_string()) {
            throw FormatError(
                where + R"(: not an object with a text, like {"text": "..."}; documents are read )"
                        "from JSON Lines");
        }
        documents.push_back(text->get<std::string>());
    }
    LATHE_CHECK(!documents.empty(), path.string() + ": there is no document in it");
    return documents;
}

} // namespace lathe
