// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <deque>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace lathe {

/// A compiled regular expression over UTF-8 (PCRE2, Unicode classes). Immutable.
class Regex {
public:
    /// Where an expression comes from. Those of this program are known to take time in proportion
    /// to the text; the steps of a stranger's are counted.
    enum class Origin { Own, File };
    /// @param what names the source in messages. @throws FormatError with the place of the mistake.
    Regex(std::string_view pattern, const std::string& what, Origin origin = Origin::File);

    struct Match {
        std::size_t begin;
        std::size_t end;
    };
    /// All matches that hold something, in order. `text` must be well-formed UTF-8.
    /// @throws FormatError when the expression takes more steps than such a text is worth.
    std::vector<Match> matches(std::string_view text) const;

private:
    struct Code;
    std::shared_ptr<const Code> m_code;
};

/// Cuts text into the words that byte-pair merges do not cross.
class PreTokenizer {
public:
    /// What becomes of the matches of a cutting expression and of the text between them.
    enum class Keep {
        All,     ///< both are words ("Isolated")
        Matches, ///< the text between is dropped ("Removed", inverted)
        Gaps     ///< the matches are dropped ("Removed")
    };
    void addSplit(Regex regex, Keep keep);
    /// A space in front of every word that does not begin with one.
    void addSpacePrefix();

    /// The words of `text` in order; they live as long as both `text` and `storage`.
    std::vector<std::string_view>
    words(std::string_view text, std::deque<std::string>& storage) const;

private:
    struct Step {
        std::shared_ptr<const Regex> regex; ///< null: the space prefix
        Keep keep = Keep::All;
    };
    std::vector<Step> m_steps;
};

/// The origin of a cutting expression in a file: those of the vocabularies in use are known by
/// their text.
Regex::Origin originOf(std::string_view pattern);

/// The cutting expression of GPT-2's vocabulary, which `ByteLevel` pre-tokenizers imply.
std::string_view gpt2Pattern();

/// The cuts that a GGUF file means by a name in tokenizer.ggml.pre.
/// @throws Unsupported for a name that is not known.
PreTokenizer preTokenizerByName(const std::string& name);

} // namespace lathe
