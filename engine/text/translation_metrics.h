// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <span>
#include <string>
#include <string_view>
#include <vector>

/// Scores of texts against one reference each, in percent. They equal those of sacreBLEU 2.6 with
/// the settings that the signatures name.
namespace lathe {

/// The words that the WMT evaluation script mteval-v13a scores, as sacreBLEU's `13a` does.
std::vector<std::string> tokenize13a(std::string_view text);

/// N-gram counts of a text or a corpus: what BLEU is made of. Counts of texts add up, so that a
/// corpus can be resampled.
struct BleuCounts {
    std::array<double, 4> matches{};
    std::array<double, 4> totals{};
    double hypothesisWords = 0.0;
    double referenceWords = 0.0;

    BleuCounts& operator+=(const BleuCounts& other);
};
BleuCounts bleuCounts(std::string_view hypothesis, std::string_view reference);

struct Bleu {
    double score = 0.0;
    std::array<double, 4> precisions{}; ///< in percent, smoothed
    double brevityPenalty = 0.0;
};
/// Corpus BLEU with exponential smoothing.
Bleu bleuOf(const BleuCounts& counts);
/// @throws InputError when there are not as many references as hypotheses.
Bleu corpusBleu(std::span<const std::string> hypotheses, std::span<const std::string> references);
/// BLEU of one sentence: orders that a text is too short for do not count (sacreBLEU's
/// effective order).
double sentenceBleu(std::string_view hypothesis, std::string_view reference);
/// "nrefs:1|case:mixed|eff:no|tok:13a|smooth:exp|version:2.6.0"
std::string_view bleuSignature();

/// Character F-score: 1- to 6-grams without white space, recall twice as important as precision.
/// @throws InputError when there are not as many references as hypotheses.
double corpusChrf(std::span<const std::string> hypotheses, std::span<const std::string> references);
/// "nrefs:1|case:mixed|eff:yes|nc:6|nw:0|space:no|version:2.6.0"
std::string_view chrfSignature();

/// ROUGE-Lsum: the F-score of the union of longest common subsequences, each reference sentence (a
/// line) against all of the hypothesis; words are runs of a-z and 0-9 in lower case, not stemmed.
/// As the package rouge_score computes it. Mean over the texts.
/// @throws InputError when there are not as many references as hypotheses.
double rougeLsum(std::span<const std::string> hypotheses, std::span<const std::string> references);

/// Items of a text that equal those of the other at the same place, over the longer of the two; 1
/// for two empty ones.
template <class Item>
double agreement(std::span<const Item> text, std::span<const Item> other) {
    const std::size_t longer = text.size() > other.size() ? text.size() : other.size();
    const std::size_t shorter = text.size() + other.size() - longer;
    std::size_t same = 0;
    for (std::size_t i = 0; i < shorter; ++i) {
        same += text[i] == other[i] ? 1U : 0U;
    }
    return longer == 0 ? 1.0 : static_cast<double>(same) / static_cast<double>(longer);
}

} // namespace lathe
