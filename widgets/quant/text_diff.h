// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <QString>

#include <vector>

namespace lathe {

/// A piece of a text and whether the other text has it at this place too.
struct DiffPiece {
    QString text;
    bool same = true;
    bool operator==(const DiffPiece&) const = default;
};

/// Two texts cut into pieces; neighbours of one piece differ in `same`. The pieces joined are the
/// text again.
struct TextDiff {
    std::vector<DiffPiece> left, right;
};

/// Words with the white space before them, punctuation marks as words of their own; joined they
/// are the text again.
std::vector<QString> splitTokens(const QString& text);

/// The longest common sequence of tokens stays `same`, everything else differs. Texts too long for
/// that (their differing middles more than 4 million pairs) count as different in the middle.
TextDiff diffTexts(const QString& left, const QString& right);

} // namespace lathe
