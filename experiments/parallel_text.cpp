// SPDX-License-Identifier: Apache-2.0
#include "experiments/parallel_text.h"

#include "engine/core/check.h"
#include "engine/core/json.h"
#include "engine/io/mapped_file.h"
#include "engine/text/utf8.h"
#include "experiments/model_cache.h"

#include <algorithm>

namespace lathe {

namespace {

constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";

struct Line {
    std::string text;
    std::string where; ///< "test.de, line 12"
};

bool isUtf8(std::string_view text) {
    while (!text.empty()) {
        const std::size_t length = utf8SequenceLength(text);
        if (length == 0) {
            return false;
        }
        text.remove_prefix(length);
    }
    return true;
}

/// The lines of a file; the line end of the last one may be missing.
std::vector<Line> linesOf(const std::filesystem::path& path) {
    const std::string bytes = readTextFile(path, kMaxParallelBytes);
    std::string_view rest(bytes);
    if (rest.starts_with(kByteOrderMark)) {
        rest.remove_prefix(kByteOrderMark.size());
    }
    std::vector<Line> lines;
    while (!rest.empty()) {
        const std::size_t end = std::min(rest.find('\n'), rest.size());
        std::string_view text = rest.substr(0, end);
        rest.remove_prefix(std::min(end + 1, rest.size()));
        if (text.ends_with('\r')) {
            text.remove_suffix(1);
        }
        Line line{std::string(text), path.string() + ", line " + std::to_string(lines.size() + 1)};
        LATHE_CHECK(
            isUtf8(line.text), line.where + ": bytes that are not UTF-8; convert the file first");
        lines.push_back(std::move(line));
    }
    LATHE_CHECK(!lines.empty(), path.string() + ": the file is empty; give one with sentences");
    return lines;
}

std::string sentenceOf(std::string text, const std::string& where) {
    LATHE_CHECK(
        text.find_first_not_of(" \t") != std::string::npos,
        where + ": the sentence is empty; remove the pair or complete it");
    LATHE_CHECK(
        text.size() <= kMaxSentenceBytes, where + ": the sentence has " +
                                              std::to_string(text.size()) + " bytes; at most " +
                                              std::to_string(kMaxSentenceBytes) + " are read");
    return text;
}

std::vector<std::string> sentencesOf(const std::filesystem::path& path) {
    std::vector<std::string> sentences;
    for (Line& line : linesOf(path)) {
        sentences.push_back(sentenceOf(std::move(line.text), line.where));
    }
    return sentences;
}

ParallelText fromColumns(const std::filesystem::path& path) {
    ParallelText text;
    for (const Line& line : linesOf(path)) {
        const std::size_t tab = line.text.find('\t');
        if (tab == std::string::npos || line.text.find('\t', tab + 1) != std::string::npos) {
            throw FormatError(
                line.where + ": two columns are needed, source and reference with a tab between");
        }
        text.sources.push_back(sentenceOf(line.text.substr(0, tab), line.where));
        text.references.push_back(sentenceOf(line.text.substr(tab + 1), line.where));
    }
    return text;
}

ParallelText fromObjects(const std::filesystem::path& path) {
    ParallelText text;
    for (const Line& line : linesOf(path)) {
        const Json object = parseJson(line.text, line.where);
        const auto member = [&](const char* name) {
            const auto found = object.is_object() ? object.find(name) : object.end();
            if (found == object.end() || !found->is_string()) {
                throw FormatError(
                    line.where + R"(: not an object with 'src' and 'tgt', like )"
                                 R"({"src": "Ein Hund.", "tgt": "A dog."})");
            }
            return sentenceOf(found->get<std::string>(), line.where);
        };
        text.sources.push_back(member("src"));
        text.references.push_back(member("tgt"));
    }
    return text;
}

} // namespace

ParallelText
readParallelText(const std::filesystem::path& source, const std::filesystem::path& reference) {
    if (reference.empty()) {
        if (source.extension() == ".tsv") {
            return fromColumns(source);
        }
        if (source.extension() == ".jsonl") {
            return fromObjects(source);
        }
        return {.sources = sentencesOf(source), .references = {}};
    }
    ParallelText text{.sources = sentencesOf(source), .references = sentencesOf(reference)};
    LATHE_CHECK(
        text.sources.size() == text.references.size(),
        source.string() + " has " + std::to_string(text.sources.size()) + " lines, " +
            reference.string() + " has " + std::to_string(text.references.size()) +
            "; line n of one must translate line n of the other");
    return text;
}

ParallelText bundledCaptions() {
    const std::filesystem::path folder = resourcesFolder() / "texts";
    return readParallelText(folder / "captions.de", folder / "captions.en");
}

} // namespace lathe
