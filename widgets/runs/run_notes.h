// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "widgets/base/pending_texts.h"

#include <QTimer>
#include <QWidget>

class QLineEdit;
class QPlainTextEdit;

namespace lathe {

/// Editors of a run's tags and notes. What is typed is handed on shortly after, and before another
/// run is shown.
class RunNotes : public QWidget {
    Q_OBJECT
public:
    explicit RunNotes(QWidget* parent = nullptr);
    ~RunNotes() override;

    /// `tags` and `notes` as stored; text that is being edited, or is on its way to the store,
    /// is not overwritten while the run is the same.
    void showRun(qint64 runId, const QString& tags, const QString& notes);
    /// Hands on what has been typed.
    void flush();
    void editTags();
    void editNotes();

signals:
    void tagsEdited(qint64 runId, const QString& tags);
    void notesEdited(qint64 runId, const QString& notes);

private:
    qint64 m_runId = 0;
    QString m_storedTags, m_storedNotes; ///< what the editors were filled with or handed on
    PendingTexts m_pendingTags, m_pendingNotes;
    QLineEdit* m_tags;
    QPlainTextEdit* m_notes;
    QTimer m_timer;
};

} // namespace lathe
