// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <filesystem>
#include <string>
#include <vector>

/// Sentences with a translation each, as translation is measured on.
namespace lathe {

struct ParallelText {
    std::vector<std::string> sources;
    std::vector<std::string> references; ///< as many, or none

    bool hasReferences() const { return !references.empty(); }
};

/// Largest file and longest sentence that are read.
inline constexpr std::size_t kMaxParallelBytes = std::size_t{64} << 20;
inline constexpr std::size_t kMaxSentenceBytes = std::size_t{16} << 10;

/// Reads a source and, where given, its reference. Without one the source's name decides:
///  *.tsv    two columns, source and reference, separated by a tab
///  *.jsonl  an object a line with `src` and `tgt`
///  other    source sentences alone, one a line
/// With one, both are plain text of one sentence a line. Line ends may be "\r\n"; a byte order
/// mark is passed over.
/// @param reference empty: none
/// @throws InputError for files of different line counts, an empty sentence, one of more than
///         kMaxSentenceBytes, bytes that are not UTF-8, a file that is empty, too large or cannot
///         be read; FormatError for a line that is not as the file's kind has it. Each names file
///         and line.
ParallelText
readParallelText(const std::filesystem::path& source, const std::filesystem::path& reference = {});

/// The bundled German-English pairs: resources/texts/captions.de and captions.en.
ParallelText bundledCaptions();

} // namespace lathe
