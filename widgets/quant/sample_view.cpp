// SPDX-License-Identifier: GPL-3.0-or-later
#include "widgets/quant/sample_view.h"

#include "widgets/base/theme.h"
#include "widgets/quant/text_diff.h"

#include <QEvent>
#include <QGridLayout>
#include <QLabel>
#include <QTextCursor>
#include <QTextEdit>

namespace lathe {

namespace {

QTextEdit* makePane() {
    auto* pane = new QTextEdit;
    pane->setReadOnly(true);
    pane->setTabChangesFocus(true);
    pane->setTextInteractionFlags(Qt::TextSelectableByMouse | Qt::TextSelectableByKeyboard);
    pane->setMinimumHeight(60);
    return pane;
}

QLabel* makeTitle() {
    auto* title = new QLabel;
    QFont font = title->font();
    font.setBold(true);
    title->setFont(font);
    return title;
}

QTextCharFormat muted() {
    QTextCharFormat format;
    format.setForeground(Theme::muted());
    format.setFontItalic(true);
    return format;
}

/// Not by colour alone: weight and a wavy underline say the same.
QTextCharFormat differing() {
    QTextCharFormat format;
    QColor wash = Theme::series(1);
    wash.setAlphaF(Theme::isDark() ? 0.30F : 0.18F);
    format.setBackground(wash);
    format.setFontWeight(QFont::Bold);
    format.setFontUnderline(true);
    format.setUnderlineColor(Theme::series(1));
    return format;
}

void fillPane(QTextEdit* pane, const QString& prompt, const std::vector<DiffPiece>& pieces) {
    pane->clear();
    QTextCursor cursor(pane->document());
    cursor.insertText(prompt, muted());
    for (const DiffPiece& piece : pieces) {
        cursor.insertText(piece.text, piece.same ? QTextCharFormat() : differing());
    }
}

void fillHint(QTextEdit* pane, const QString& hint) {
    pane->clear();
    QTextCursor cursor(pane->document());
    cursor.insertText(hint, muted());
}

int wordCount(const std::vector<DiffPiece>& pieces, bool sameOnly) {
    int count = 0;
    for (const DiffPiece& piece : pieces) {
        if (piece.same || !sameOnly) {
            count += static_cast<int>(splitTokens(piece.text).size());
        }
    }
    return count;
}

} // namespace

SampleView::SampleView(QWidget* parent)
    : QWidget(parent), m_leftTitle(makeTitle()), m_rightTitle(makeTitle()), m_left(makePane()),
      m_right(makePane()), m_summary(new QLabel) {
    auto* grid = new QGridLayout(this);
    grid->setContentsMargins(0, 0, 0, 0);
    grid->setVerticalSpacing(3);
    grid->addWidget(m_leftTitle, 0, 0);
    grid->addWidget(m_rightTitle, 0, 1);
    grid->addWidget(m_left, 1, 0);
    grid->addWidget(m_right, 1, 1);
    grid->addWidget(m_summary, 2, 0, 1, 2);
    grid->setColumnStretch(0, 1);
    grid->setColumnStretch(1, 1);
    grid->setRowStretch(1, 1);
    m_leftTitle->setBuddy(m_left);
    m_rightTitle->setBuddy(m_right);
    m_left->setAccessibleName(tr("Sample of the float model"));
    m_right->setAccessibleName(tr("Sample of the selected setting"));
    show(nullptr, nullptr);
}

void SampleView::show(const SweepCell* reference, const SweepCell* selected) {
    const auto usable = [](const SweepCell* cell) {
        return cell != nullptr && cell->state == CellState::Done;
    };
    m_hasLeft = usable(reference);
    m_hasRight = usable(selected) && !selected->isFloat();
    m_leftText = m_hasLeft ? reference->text("sample") : QString();
    m_rightText = m_hasRight ? selected->text("sample") : QString();
    const SweepCell* any = m_hasLeft ? reference : selected;
    m_prompt.clear();
    if (any != nullptr && any->params.is_object()) {
        const auto it = any->params.find("prompt");
        m_prompt = it != any->params.end() && it->is_string()
                       ? QString::fromStdString(it->get<std::string>())
                       : QString();
    }
    m_leftTitle->setText(tr("Float model"));
    const bool named = selected != nullptr && !selected->isFloat();
    m_rightTitle->setText(named ? selected->title() : tr("Selected setting"));
    m_hint = !named ? tr("Select a setting in the plot or the table to read its text here.")
             : selected->state == CellState::Failed
                 ? tr("This setting failed: %1").arg(selected->message)
                 : tr("Not measured yet.");
    fill();
}

void SampleView::fill() {
    const TextDiff diff = m_hasLeft && m_hasRight
                              ? diffTexts(m_leftText, m_rightText)
                              : TextDiff{{{m_leftText, true}}, {{m_rightText, true}}};
    if (m_hasLeft) {
        fillPane(m_left, m_prompt, diff.left);
    } else {
        fillHint(m_left, tr("The float model's text comes with its cell."));
    }
    if (m_hasRight) {
        fillPane(m_right, m_prompt, diff.right);
    } else {
        fillHint(m_right, m_hint);
    }
    m_summary->clear();
    if (m_hasLeft && m_hasRight) {
        const int same = wordCount(diff.right, true);
        const int all = wordCount(diff.right, false);
        m_summary->setText(
            same == all && m_leftText == m_rightText
                ? tr("The texts are equal.")
                : tr("%1 of %2 words are the float model's; what differs is underlined and bold.")
                      .arg(same)
                      .arg(all));
    }
    m_summary->setVisible(!m_summary->text().isEmpty());
}

QString SampleView::summary() const { return m_summary->text(); }

void SampleView::changeEvent(QEvent* event) {
    QWidget::changeEvent(event);
    if (event->type() == QEvent::PaletteChange) {
        fill();
    }
}

} // namespace lathe
