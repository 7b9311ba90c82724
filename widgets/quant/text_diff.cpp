// SPDX-License-Identifier: GPL-3.0-or-later
#include "widgets/quant/text_diff.h"

#include <algorithm>
#include <cstdint>
#include <span>

namespace lathe {

namespace {

using Tokens = std::vector<QString>;
constexpr std::size_t kMaxPairs = 4'000'000;

/// Which tokens of both texts belong to the longest common sequence.
struct Common {
    std::vector<bool> left, right;
};

void markMiddle(
    std::span<const QString> a, std::span<const QString> b, std::size_t at, Common& common) {
    if (a.empty() || b.empty() || a.size() > kMaxPairs / b.size()) {
        return;
    }
    // length[i][j]: longest common sequence of a[i..] and b[j..]
    const std::size_t columns = b.size() + 1;
    std::vector<std::uint32_t> length((a.size() + 1) * columns, 0);
    for (std::size_t i = a.size(); i-- > 0;) {
        for (std::size_t j = b.size(); j-- > 0;) {
            length[i * columns + j] =
                a[i] == b[j] ? length[(i + 1) * columns + j + 1] + 1
                             : std::max(length[(i + 1) * columns + j], length[i * columns + j + 1]);
        }
    }
    std::size_t i = 0;
    std::size_t j = 0;
    while (i < a.size() && j < b.size()) {
        if (a[i] == b[j]) {
            common.left[at + i++] = true;
            common.right[at + j++] = true;
        } else if (length[(i + 1) * columns + j] >= length[i * columns + j + 1]) {
            ++i;
        } else {
            ++j;
        }
    }
}

Common findCommon(const Tokens& a, const Tokens& b) {
    Common common{std::vector<bool>(a.size(), false), std::vector<bool>(b.size(), false)};
    const std::size_t shorter = std::min(a.size(), b.size());
    std::size_t head = 0;
    while (head < shorter && a[head] == b[head]) {
        common.left[head] = common.right[head] = true;
        ++head;
    }
    std::size_t tail = 0;
    while (tail < shorter - head && a[a.size() - 1 - tail] == b[b.size() - 1 - tail]) {
        common.left[a.size() - 1 - tail] = common.right[b.size() - 1 - tail] = true;
        ++tail;
    }
    const std::span<const QString> left(a);
    const std::span<const QString> right(b);
    markMiddle(
        left.subspan(head, a.size() - head - tail), right.subspan(head, b.size() - head - tail),
        head, common);
    return common;
}

std::vector<DiffPiece> pieces(const Tokens& tokens, const std::vector<bool>& same) {
    std::vector<DiffPiece> all;
    for (std::size_t i = 0; i < tokens.size(); ++i) {
        if (all.empty() || all.back().same != same[i]) {
            all.push_back({tokens[i], same[i]});
        } else {
            all.back().text += tokens[i];
        }
    }
    return all;
}

} // namespace

std::vector<QString> splitTokens(const QString& text) {
    enum Kind { Space, Word, Mark };
    const auto kindOf = [](QChar c) {
        // Halves of a surrogate pair stay together as part of a word.
        const bool word = c.isLetterOrNumber() || c.isMark() || c.isSurrogate() ||
                          c == QLatin1Char('\'') || c == QChar(0x2019);
        return c.isSpace() ? Space : word ? Word : Mark;
    };
    Tokens tokens;
    qsizetype start = 0;
    qsizetype at = 0;
    while (at < text.size()) {
        while (at < text.size() && kindOf(text[at]) == Space) {
            ++at;
        }
        if (at < text.size()) {
            const Kind kind = kindOf(text[at++]);
            while (kind == Word && at < text.size() && kindOf(text[at]) == Word) {
                ++at;
            }
        }
        tokens.push_back(text.mid(start, at - start));
        start = at;
    }
    return tokens;
}

TextDiff diffTexts(const QString& left, const QString& right) {
    const Tokens a = splitTokens(left);
    const Tokens b = splitTokens(right);
    const Common common = findCommon(a, b);
    return {pieces(a, common.left), pieces(b, common.right)};
}

} // namespace lathe
