// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "engine/core/spec.h"

#include <QWidget>

#include <optional>

class QComboBox;
class QLabel;
class QPlainTextEdit;

namespace lathe {

class ControlsColumn;
class PanelContext;
class SpecForm;

/// The left column of the Decoding panel: the text, the pair, the strategy with its thresholds.
class DecodeControls : public QWidget {
    Q_OBJECT
public:
    explicit DecodeControls(PanelContext& context, QWidget* parent = nullptr);

    /// The form follows the engine's declaration; null while there is none.
    void setStudy(const StudyInfo* info);
    /// A Spec of decode.once.
    Spec draft() const;
    void setDraft(const Spec& spec);
    void setThresholds(double fallback, double rollback);
    void setSource(const QString& text);
    /// What keeps the draft from being run, in words; empty: nothing.
    QString problem() const;
    void setActiveRun(qint64 runId); ///< 0: none to stop
    QPlainTextEdit& sourceEdit() { return *m_source; }

signals:
    void runRequested();
    void stopRequested();
    void edited();

private:
    QWidget* makeSource();
    void changed();
    void refresh();
    void copyCommand();

    PanelContext& m_context;
    std::optional<StudyInfo> m_info; ///< with one value for each parameter
    Spec m_pending;
    QPlainTextEdit* m_source;
    QComboBox* m_examples;
    SpecForm* m_form;
    QLabel* m_summary;
    ControlsColumn* m_column = nullptr;
};

/// The bundled German sentences.
QStringList exampleSentences();

} // namespace lathe
