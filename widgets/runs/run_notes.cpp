// SPDX-License-Identifier: GPL-3.0-or-later
#include "widgets/runs/run_notes.h"

#include <QFormLayout>
#include <QLabel>
#include <QLineEdit>
#include <QPlainTextEdit>
#include <QSignalBlocker>
#include <QVBoxLayout>

namespace lathe {

namespace {
constexpr int kSaveMs = 800;
} // namespace

RunNotes::RunNotes(QWidget* parent)
    : QWidget(parent), m_tags(new QLineEdit), m_notes(new QPlainTextEdit) {
    m_tags->setPlaceholderText(tr("paper, baseline"));
    m_tags->setAccessibleName(tr("Tags"));
    m_notes->setTabChangesFocus(true);
    m_notes->setAccessibleName(tr("Notes"));
    m_notes->setPlaceholderText(tr("What was tried here, and what it showed"));
    auto* tagsLabel = new QLabel(tr("&Tags, separated by commas"));
    tagsLabel->setBuddy(m_tags);
    auto* notesLabel = new QLabel(tr("&Notes"));
    notesLabel->setBuddy(m_notes);
    auto* column = new QVBoxLayout(this);
    column->addWidget(tagsLabel);
    column->addWidget(m_tags);
    column->addWidget(notesLabel);
    column->addWidget(m_notes, 1);
    m_timer.setSingleShot(true);
    m_timer.setInterval(kSaveMs);
    const auto later = [this] { m_timer.start(); };
    connect(m_tags, &QLineEdit::textEdited, this, later);
    connect(m_tags, &QLineEdit::editingFinished, this, &RunNotes::flush);
    connect(m_notes, &QPlainTextEdit::textChanged, this, later);
    connect(&m_timer, &QTimer::timeout, this, &RunNotes::flush);
    setEnabled(false);
}

RunNotes::~RunNotes() = default;

void RunNotes::showRun(qint64 runId, const QString& tags, const QString& notes) {
    const bool same = runId == m_runId;
    if (!same) {
        flush();
    }
    m_runId = runId;
    setEnabled(runId != 0);
    const QSignalBlocker quietTags(m_tags);
    const QSignalBlocker quietNotes(m_notes);
    const QString newTags = m_pendingTags.resolve(runId, tags);
    const QString newNotes = m_pendingNotes.resolve(runId, notes);
    if (!same || (m_tags->text() == m_storedTags && !m_tags->hasFocus())) {
        if (m_tags->text() != newTags) {
            m_tags->setText(newTags);
        }
        m_storedTags = newTags;
    }
    if (!same || (m_notes->toPlainText() == m_storedNotes && !m_notes->hasFocus())) {
        if (m_notes->toPlainText() != newNotes) {
            m_notes->setPlainText(newNotes);
        }
        m_storedNotes = newNotes;
    }
}

void RunNotes::flush() {
    m_timer.stop();
    if (m_runId == 0) {
        return;
    }
    if (m_tags->text() != m_storedTags) {
        m_storedTags = m_tags->text();
        m_pendingTags.put(m_runId, m_storedTags);
        emit tagsEdited(m_runId, m_storedTags);
    }
    if (m_notes->toPlainText() != m_storedNotes) {
        m_storedNotes = m_notes->toPlainText();
        m_pendingNotes.put(m_runId, m_storedNotes);
        emit notesEdited(m_runId, m_storedNotes);
    }
}

void RunNotes::editTags() {
    m_tags->setFocus();
    m_tags->selectAll();
}

void RunNotes::editNotes() { m_notes->setFocus(); }

} // namespace lathe
