// SPDX-License-Identifier: Apache-2.0
#include "engine/core/check.h"
#include "engine/text/translation_metrics.h"

#include <algorithm>
#include <map>
#include <set>

namespace lathe {

namespace {

using Sentence = std::vector<std::string>;

/// Each line's words.
std::vector<Sentence> sentencesOf(std::string_view text) {
    std::vector<Sentence> sentences(1);
    bool inWord = false;
    for (const char given : text) {
        const char c = given >= 'A' && given <= 'Z' ? static_cast<char>(given - 'A' + 'a') : given;
        const bool isWord = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
        if (isWord && !inWord) {
            sentences.back().emplace_back();
        }
        if (isWord) {
            sentences.back().back() += c;
        }
        if (c == '\n') {
            sentences.emplace_back();
        }
        inWord = isWord;
    }
    return sentences;
}

/// Adds the places in `reference` of a longest common subsequence with `other`.
void addCommon(const Sentence& reference, const Sentence& other, std::set<std::size_t>& places) {
    const std::size_t width = other.size() + 1;
    std::vector<std::size_t> longest((reference.size() + 1) * width, 0);
    for (std::size_t i = 1; i <= reference.size(); ++i) {
        for (std::size_t j = 1; j <= other.size(); ++j) {
            longest[i * width + j] =
                reference[i - 1] == other[j - 1]
                    ? longest[(i - 1) * width + j - 1] + 1
                    : std::max(longest[(i - 1) * width + j], longest[i * width + j - 1]);
        }
    }
    std::size_t i = reference.size();
    std::size_t j = other.size();
    while (i > 0 && j > 0) {
        if (reference[i - 1] == other[j - 1]) {
            places.insert(--i);
            --j;
        } else if (longest[i * width + j - 1] > longest[(i - 1) * width + j]) {
            --j;
        } else {
            --i;
        }
    }
}

std::map<std::string, int> countsOf(const std::vector<Sentence>& sentences, double& words) {
    std::map<std::string, int> counts;
    for (const Sentence& sentence : sentences) {
        words += static_cast<double>(sentence.size());
        for (const std::string& word : sentence) {
            ++counts[word];
        }
    }
    return counts;
}

double scoreOf(std::string_view hypothesis, std::string_view reference) {
    const std::vector<Sentence> own = sentencesOf(hypothesis);
    const std::vector<Sentence> wanted = sentencesOf(reference);
    double ownWords = 0.0;
    double wantedWords = 0.0;
    std::map<std::string, int> ownLeft = countsOf(own, ownWords);
    std::map<std::string, int> wantedLeft = countsOf(wanted, wantedWords);
    double hits = 0.0;
    for (const Sentence& sentence : wanted) {
        std::set<std::size_t> places;
        for (const Sentence& other : own) {
            addCommon(sentence, other, places);
        }
        for (const std::size_t place : places) { // no word counts more often than it is there
            int& left = ownLeft[sentence[place]];
            int& owed = wantedLeft[sentence[place]];
            if (left > 0 && owed > 0) {
                --left;
                --owed;
                hits += 1.0;
            }
        }
    }
    return hits == 0.0 ? 0.0 : 100.0 * 2.0 * hits / (ownWords + wantedWords);
}

} // namespace

double rougeLsum(std::span<const std::string> hypotheses, std::span<const std::string> references) {
    LATHE_CHECK(
        hypotheses.size() == references.size() && !hypotheses.empty(),
        "there are " + std::to_string(hypotheses.size()) + " texts and " +
            std::to_string(references.size()) + " references; each text needs one");
    double sum = 0.0;
    for (std::size_t i = 0; i < hypotheses.size(); ++i) {
        sum += scoreOf(hypotheses[i], references[i]);
    }
    return sum / static_cast<double>(hypotheses.size());
}

} // namespace lathe
