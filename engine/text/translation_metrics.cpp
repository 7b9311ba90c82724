// SPDX-License-Identifier: Apache-2.0
#include "engine/text/translation_metrics.h"

#include "engine/core/check.h"
#include "engine/text/utf8.h"
#include "engine/text/white_space.h"

#include <algorithm>
#include <cmath>
#include <map>

namespace lathe {

namespace {

constexpr std::size_t kChrfOrder = 6;
constexpr double kChrfBeta = 2.0; ///< weight of recall

using NgramCounts = std::map<std::string, int>;

void requirePairs(std::size_t hypotheses, std::size_t references) {
    LATHE_CHECK(
        hypotheses == references, "there are " + std::to_string(hypotheses) + " texts and " +
                                      std::to_string(references) +
                                      " references; each text needs one");
}

/// The characters of a text: ill-formed bytes stand for themselves.
std::vector<std::string_view> charactersOf(std::string_view text) {
    std::vector<std::string_view> characters;
    while (!text.empty()) {
        const std::size_t length = std::max<std::size_t>(1, utf8SequenceLength(text));
        characters.push_back(text.substr(0, length));
        text.remove_prefix(length);
    }
    return characters;
}

bool isSpace(std::string_view character) {
    return utf8SequenceLength(character) > 0 && isWhiteSpace(utf8Decode(character));
}

std::vector<std::string> split(std::string_view text) {
    std::vector<std::string> words;
    bool inWord = false;
    for (const std::string_view character : charactersOf(text)) {
        if (isSpace(character)) {
            inWord = false;
        } else if (inWord) {
            words.back() += character;
        } else {
            words.emplace_back(character);
            inWord = true;
        }
    }
    return words;
}

void replaceAll(std::string& text, std::string_view from, std::string_view to) {
    for (std::size_t at = text.find(from); at != std::string::npos;
         at = text.find(from, at + to.size())) {
        text.replace(at, from.size(), to);
    }
}

bool isDigit(char c) { return c >= '0' && c <= '9'; }
bool isPoint(char c) { return c == '.' || c == ','; }
/// ASCII punctuation but for the apostrophe, comma, hyphen and full stop.
bool isSymbol(char c) {
    return (c >= '{' && c <= '~') || (c >= '[' && c <= '`') || (c >= ' ' && c <= '&') ||
           (c >= '(' && c <= '+') || (c >= ':' && c <= '@') || c == '/';
}

/// Rewrites each pair of neighbours that `matches`, left to right and without overlap.
template <class Matches>
std::string spaced(
    const std::string& text, const char* before, const char* between, const char* behind,
    const Matches& matches) {
    std::string result;
    for (std::size_t i = 0; i < text.size(); ++i) {
        if (i + 1 < text.size() && matches(text[i], text[i + 1])) {
            result += before;
            result += text[i];
            result += between;
            result += text[++i];
            result += behind;
        } else {
            result += text[i];
        }
    }
    return result;
}

/// N-grams of words or characters, joined by a byte that is in neither.
template <class Item>
NgramCounts ngrams(const std::vector<Item>& items, std::size_t order) {
    NgramCounts counts;
    for (std::size_t i = 0; i + order <= items.size(); ++i) {
        std::string key;
        for (std::size_t k = i; k < i + order; ++k) {
            key += items[k];
            key += '\xFF';
        }
        ++counts[key];
    }
    return counts;
}

double sumOf(const NgramCounts& counts) {
    double sum = 0.0;
    for (const auto& [key, count] : counts) {
        sum += count;
    }
    return sum;
}

double matchesOf(const NgramCounts& a, const NgramCounts& b) {
    double matches = 0.0;
    for (const auto& [key, count] : a) {
        const auto found = b.find(key);
        matches += found == b.end() ? 0 : std::min(count, found->second);
    }
    return matches;
}

Bleu bleuWithOrder(const BleuCounts& counts, bool effectiveOrder) {
    Bleu bleu{.brevityPenalty = 1.0};
    if (counts.hypothesisWords < counts.referenceWords) {
        bleu.brevityPenalty = counts.hypothesisWords > 0.0
                                  ? std::exp(1.0 - counts.referenceWords / counts.hypothesisWords)
                                  : 0.0;
    }
    if (std::ranges::all_of(counts.matches, [](double matches) { return matches == 0.0; })) {
        return bleu;
    }
    double smoothing = 1.0;
    std::size_t orders = effectiveOrder ? 0 : counts.totals.size();
    for (std::size_t n = 0; n < counts.totals.size() && counts.totals[n] > 0.0; ++n) {
        orders = std::max(orders, n + 1);
        if (counts.matches[n] == 0.0) {
            smoothing *= 2.0;
            bleu.precisions[n] = 100.0 / (smoothing * counts.totals[n]);
        } else {
            bleu.precisions[n] = 100.0 * counts.matches[n] / counts.totals[n];
        }
    }
    double logSum = 0.0;
    for (std::size_t n = 0; n < orders; ++n) {
        logSum += std::log(bleu.precisions[n]); // of 0: minus infinity, a score of 0
    }
    bleu.score = bleu.brevityPenalty * std::exp(logSum / static_cast<double>(orders));
    return bleu;
}

} // namespace

std::vector<std::string> tokenize13a(std::string_view text) {
    std::string line(text);
    replaceAll(line, "<skipped>", "");
    replaceAll(line, "-\n", "");
    replaceAll(line, "\n", " ");
    replaceAll(line, "&quot;", "\"");
    replaceAll(line, "&amp;", "&");
    replaceAll(line, "&lt;", "<");
    replaceAll(line, "&gt;", ">");
    std::string apart = " ";
    for (const char c : line) {
        apart += isSymbol(c) ? std::string{' ', c, ' '} : std::string(1, c);
    }
    apart += ' ';
    // Points are part of a number only between digits; a hyphen behind a digit is a word.
    apart = spaced(apart, "", " ", " ", [](char a, char b) { return !isDigit(a) && isPoint(b); });
    apart = spaced(apart, " ", " ", "", [](char a, char b) { return isPoint(a) && !isDigit(b); });
    apart = spaced(apart, "", " ", " ", [](char a, char b) { return isDigit(a) && b == '-'; });
    return split(apart);
}

BleuCounts& BleuCounts::operator+=(const BleuCounts& other) {
    for (std::size_t n = 0; n < totals.size(); ++n) {
        matches[n] += other.matches[n];
        totals[n] += other.totals[n];
    }
    hypothesisWords += other.hypothesisWords;
    referenceWords += other.referenceWords;
    return *this;
}

BleuCounts bleuCounts(std::string_view hypothesis, std::string_view reference) {
    const std::vector<std::string> words = tokenize13a(hypothesis);
    const std::vector<std::string> wanted = tokenize13a(reference);
    BleuCounts counts;
    for (std::size_t n = 0; n < counts.totals.size(); ++n) {
        const NgramCounts own = ngrams(words, n + 1);
        counts.matches[n] = matchesOf(own, ngrams(wanted, n + 1));
        counts.totals[n] = sumOf(own);
    }
    counts.hypothesisWords = static_cast<double>(words.size());
    counts.referenceWords = static_cast<double>(wanted.size());
    return counts;
}

Bleu bleuOf(const BleuCounts& counts) { return bleuWithOrder(counts, false); }

Bleu corpusBleu(std::span<const std::string> hypotheses, std::span<const std::string> references) {
    requirePairs(hypotheses.size(), references.size());
    BleuCounts counts;
    for (std::size_t i = 0; i < hypotheses.size(); ++i) {
        counts += bleuCounts(hypotheses[i], references[i]);
    }
    return bleuOf(counts);
}

double sentenceBleu(std::string_view hypothesis, std::string_view reference) {
    return bleuWithOrder(bleuCounts(hypothesis, reference), true).score;
}

std::string_view bleuSignature() {
    return "nrefs:1|case:mixed|eff:no|tok:13a|smooth:exp|version:2.6.0";
}

double
corpusChrf(std::span<const std::string> hypotheses, std::span<const std::string> references) {
    requirePairs(hypotheses.size(), references.size());
    std::array<double, kChrfOrder> own{}, wanted{}, matches{};
    for (std::size_t i = 0; i < hypotheses.size(); ++i) {
        auto a = charactersOf(hypotheses[i]);
        auto b = charactersOf(references[i]);
        std::erase_if(a, isSpace);
        std::erase_if(b, isSpace);
        for (std::size_t n = 0; n < kChrfOrder; ++n) {
            const NgramCounts ngramsA = ngrams(a, n + 1);
            const NgramCounts ngramsB = ngrams(b, n + 1);
            own[n] += ngramsB.empty() ? 0.0 : sumOf(ngramsA);
            wanted[n] += sumOf(ngramsB);
            matches[n] += matchesOf(ngramsA, ngramsB);
        }
    }
    double precision = 0.0;
    double recall = 0.0;
    double orders = 0.0;
    for (std::size_t n = 0; n < kChrfOrder; ++n) {
        if (own[n] > 0.0 && wanted[n] > 0.0) {
            precision += matches[n] / own[n];
            recall += matches[n] / wanted[n];
            orders += 1.0;
        }
    }
    if (precision + recall == 0.0) {
        return 0.0;
    }
    const double factor = kChrfBeta * kChrfBeta;
    precision /= orders;
    recall /= orders;
    return 100.0 * (1.0 + factor) * precision * recall / (factor * precision + recall);
}

std::string_view chrfSignature() {
    return "nrefs:1|case:mixed|eff:yes|nc:6|nw:0|space:no|version:2.6.0";
}

} // namespace lathe
