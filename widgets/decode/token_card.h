// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "widgets/decode/decode_story.h"

#include <QFrame>

#include <utility>
#include <vector>

namespace lathe {

using CardLine = std::pair<QString, QString>;               ///< name, value
using Candidates = std::vector<std::pair<QString, double>>; ///< pieces and probabilities

/// What is known of a life after some events, line by line.
std::vector<CardLine> lifeFacts(const DecodeStory& story, int life, int events);
/// The same as one sentence for assistive programs.
QString lifeText(const DecodeStory& story, int life, int events);

/// Everything about one token beside the pointer: what became of it, numbers, and what both models
/// would have written.
class TokenCard : public QFrame {
    Q_OBJECT
public:
    explicit TokenCard(QWidget* parent = nullptr);

    void setLife(const DecodeStory& story, int life, int events);
    /// @param note in place of the lists, or under them ("being computed")
    void setCandidates(const Candidates& little, const Candidates& big, const QString& note);
    int life() const { return m_life; }
    /// Beside a rectangle of the screen, within it.
    void showBeside(const QRect& global);
    QString text() const; ///< all of it, for tests and assistive programs

private:
    void paintEvent(QPaintEvent* event) override;
    void changeEvent(QEvent* event) override;
    QSizeF paintOn(QPainter* painter) const;
    void fitSize();

    int m_life = -1;
    QString m_piece;
    TokenFate m_fate = TokenFate::Drafted;
    std::vector<CardLine> m_facts;
    Candidates m_little, m_big;
    QString m_note;
};

} // namespace lathe
