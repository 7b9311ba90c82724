// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "engine/core/run_control.h"

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

/// Evaluation texts: reading, repairing and cleaning them. One place, so that every study scores
/// the same characters.
namespace lathe {

/// What is taken out of a text before it is scored.
enum class Cleaning {
    None,     ///< the text as it is
    Gutenberg ///< header, footer and line breaks of a Project Gutenberg book
};

/// @throws InputError for a name other than none and gutenberg.
Cleaning cleaningFromName(std::string_view name);

/// A Project Gutenberg book as the bundled models were trained on it: what lies between the START
/// and END lines (all of it without them), split at empty lines, white space of a paragraph
/// collapsed to single spaces, paragraphs of one character or none left out, the rest joined by
/// newlines. White space and lengths count as Python counts them: in Unicode code points.
/// @param text valid UTF-8.
std::string cleanGutenberg(std::string_view text);

/// The bundled evaluation text: the first *.txt by name of resources/texts.
/// @throws InputError when there is none.
std::filesystem::path defaultTextPath();

/// Reads a text file of at most 256 MiB. Bytes that are not UTF-8 are replaced by U+FFFD and said
/// in a log line. @throws InputError when it cannot be read, is larger, or nothing is left of it.
std::string readText(const std::filesystem::path& path, Cleaning cleaning, RunControl& run);

/// The documents of a JSON Lines file: the `text` of each line's object, as corpora such as C4 are
/// published. Empty lines are passed over. @throws InputError when the file cannot be read, is
/// larger than 1 GiB or has no document; FormatError naming the line that is none.
std::vector<std::string> readDocuments(const std::filesystem::path& path, RunControl& run);

} // namespace lathe
